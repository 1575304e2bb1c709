// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import type { Message } from "./messages";

/** Every `texts.ts` and `…-texts.ts` of the product: found, not listed, so that none can be forgotten. */
const modules = import.meta.glob<Record<string, unknown>>("/src/**/{texts,*-texts}.ts", { eager: true });

type Spoken = { readonly en: Record<string, Message>; readonly de: Record<string, Message> };

function isSpoken(value: unknown): value is Spoken {
  return typeof value === "object" && value !== null && "en" in value && "de" in value;
}

function names(message: Message): string[] {
  const text = typeof message === "string" ? message : `${message.one} ${message.other}`;
  return [...new Set([...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? ""))].sort();
}

describe.each(Object.entries(modules))("%s", (_path, module) => {
  for (const [name, texts] of Object.entries(module)) {
    if (!isSpoken(texts)) continue;
    it(`${name} says everything in every language`, () => {
      expect(Object.keys(texts.de).sort()).toEqual(Object.keys(texts.en).sort());
    });
    it(`${name} fills in the same values in every language`, () => {
      for (const [key, message] of Object.entries(texts.en)) {
        const other = texts.de[key] ?? "";
        // A singular may do without its count.
        expect(names(other).filter((one) => one !== "count"), key).toEqual(names(message).filter((one) => one !== "count"));
      }
    });
    it(`${name} leaves nothing empty`, () => {
      for (const message of [...Object.values(texts.en), ...Object.values(texts.de)]) {
        expect((typeof message === "string" ? message : message.one + message.other).trim()).not.toBe("");
      }
    });
  }
});
