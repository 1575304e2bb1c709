import { useMemo } from "react";
import { usePreferences } from "../preferences/preferences";
import type { Language } from "../preferences/preferences";

/** A text, or one for one and one for any other count. `{name}` is filled in. */
export type Message = string | { readonly one: string; readonly other: string };

type Names<S extends string> = S extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;
type Filled<M extends Message> = M extends { readonly one: infer One extends string; readonly other: infer Other extends string }
  ? Names<One> | Names<Other> | "count"
  : M extends string
    ? Names<M>
    : never;
type Args<M extends Message> = [Filled<M>] extends [never]
  ? []
  : [values: { readonly [Name in Filled<M>]: string | number }];

/** The texts of one part of the product, in every language. */
export interface Messages<M extends Record<string, Message>> {
  readonly en: M;
  readonly de: { readonly [Key in keyof M]: M[Key] extends string ? string : { readonly one: string; readonly other: string } };
}

/** Declare texts: English says which there are, and no other language may lack one. */
export function defineMessages<const M extends Record<string, Message>>(messages: Messages<M>): Messages<M> {
  return messages;
}

export type Translate<M extends Record<string, Message>> = <Key extends keyof M & string>(
  key: Key,
  ...values: Args<M[Key]>
) => string;

const plurals: Record<Language, Intl.PluralRules> = { en: new Intl.PluralRules("en"), de: new Intl.PluralRules("de") };

/** Return the function that says things in a language. */
export function translator<M extends Record<string, Message>>(messages: Messages<M>, language: Language): Translate<M> {
  return (key, ...args) => {
    const values = args[0] as Record<string, string | number> | undefined;
    const message: Message = messages[language][key];
    const count = Number(values?.["count"] ?? 0);
    const text =
      typeof message === "string" ? message : plurals[language].select(count) === "one" ? message.one : message.other;
    return values === undefined
      ? text
      : text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
  };
}

/** The translator of the language that the person chose. */
export function useText<M extends Record<string, Message>>(messages: Messages<M>): Translate<M> {
  const language = usePreferences((state) => state.language);
  return useMemo(() => translator(messages, language), [messages, language]);
}
