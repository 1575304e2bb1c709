import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { SyntheticEvent } from "react";
import type { components } from "@/shared/api/generated/identity";
import { ApiProblem } from "@/shared/api/problem";
import { useText } from "@/shared/i18n/messages";
import { signIn, useSession } from "@/shared/session/session";
import { Button } from "@/shared/ui/button";
import { Field, Input } from "@/shared/ui/field";
import { useProblemText } from "@/shared/ui/states";
import { signInTexts } from "../texts";

type Methods = components["schemas"]["MethodsAnswer"];

/** The other ways in that this installation has; asked without a session. */
async function readMethods(): Promise<Methods> {
  const response = await fetch("/api/auth/methods");
  if (!response.ok) throw new ApiProblem("methods", response.statusText, response.status);
  return (await response.json()) as Methods;
}

/** The way in. The address stays: whoever comes back is where they were. */
export function Screen() {
  const t = useText(signInTexts);
  const problemText = useProblemText();
  const why = useSession((state) => (state.kind === "closed" ? state.why : "new"));
  const methods = useQuery({ queryKey: ["methods"], queryFn: readMethods, staleTime: Number.POSITIVE_INFINITY });
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [isTried, setTried] = useState(false);
  const [error, setError] = useState<unknown>();

  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    setTried(true);
    if (username === "" || password === "") return;
    setBusy(true);
    setError(undefined);
    signIn(username, password)
      .catch((problem: unknown) => {
        setError(problem);
        setPassword("");
        setTried(false);
      })
      .finally(() => {
        setBusy(false);
      });
  };
  const said = (): string | undefined => {
    if (error instanceof ApiProblem && error.status === 401) return t("wrong");
    if (error instanceof ApiProblem && error.status === 429) {
      return t("wait", { seconds: Math.ceil(error.retryAfterSeconds ?? 1) });
    }
    return error === undefined ? undefined : problemText(error);
  };
  const message = said();
  const other = methods.data?.oidc;
  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <div className="w-full max-w-88">
        <div className="mb-8 flex flex-col items-center gap-3 text-center">
          <img src="/icon.svg" alt="" width="56" height="56" />
          <div>
            <p className="text-xl font-semibold tracking-tight">{t("product")}</p>
            <p className="text-sm text-ink-soft">{t("claim")}</p>
          </div>
        </div>
        <form noValidate onSubmit={submit} className="flex flex-col gap-4 rounded-xl border border-line bg-surface p-6 shadow-card">
          <h1 className="text-lg font-semibold">{t("title")}</h1>
          {why !== "new" && error === undefined && (
            <p role="status" className="rounded-md bg-info-soft px-3 py-2 text-sm text-info">
              {t(why === "ended" ? "ended" : "signedOut")}
            </p>
          )}
          {message !== undefined && (
            <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
              {message}
            </p>
          )}
          <Field label={t("username")} error={isTried && username === "" ? t("missing") : undefined}>
            {(control) => (
              <Input
                {...control}
                name="username"
                autoComplete="username"
                autoCapitalize="none"
                spellCheck={false}
                value={username}
                onChange={(event) => {
                  setUsername(event.target.value);
                }}
              />
            )}
          </Field>
          <Field label={t("password")} error={isTried && password === "" ? t("missing") : undefined}>
            {(control) => (
              <Input
                {...control}
                name="password"
                type="password"
                autoComplete="current-password"
                value={password}
                onChange={(event) => {
                  setPassword(event.target.value);
                }}
              />
            )}
          </Field>
          <Button type="submit" tone="primary" isBusy={isBusy} className="mt-1 w-full">
            {t(isBusy ? "submitting" : "submit")}
          </Button>
          {typeof other === "string" && (
            <a href="/api/auth/oidc/login" className="text-center text-sm font-medium text-accent underline">
              {t("other", { name: other })}
            </a>
          )}
        </form>
      </div>
    </main>
  );
}
