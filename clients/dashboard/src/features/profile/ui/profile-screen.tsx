import { query } from "@/shared/api/client";
import { useText } from "@/shared/i18n/messages";
import { setPreferences, usePreferences } from "@/shared/preferences/preferences";
import type { Density, Language, Theme } from "@/shared/preferences/preferences";
import { Field, Select } from "@/shared/ui/field";
import { PageHeader, Panel } from "@/shared/ui/panel";
import { Await } from "@/shared/ui/states";
import { profileTexts } from "../texts";
import { Account } from "./account";
import { PasswordChange } from "./password-change";
import { Sessions } from "./sessions";

/** One's own account: what others see of it, its password, where it is signed in, and how the pages look. */
export function Screen() {
  const t = useText(profileTexts);
  const profile = query.useQuery("get", "/api/profile");
  return (
    <>
      <PageHeader title={t("title")} />
      <div className="grid items-start gap-4 lg:grid-cols-2">
        <Await asked={profile}>{(data) => <Account key={data.version} profile={data} />}</Await>
        <PasswordChange />
        <Sessions />
        <Look />
      </div>
    </>
  );
}

function Look() {
  const t = useText(profileTexts);
  const { language, theme, density } = usePreferences();
  return (
    <Panel title={t("look")}>
      <div className="grid gap-4 sm:grid-cols-3">
        <Field label={t("language")}>
          {(control) => (
            <Select {...control} value={language} onChange={(event) => { setPreferences({ language: event.target.value as Language }); }}>
              <option value="en" lang="en">{"English"}</option>
              <option value="de" lang="de">{"Deutsch"}</option>
            </Select>
          )}
        </Field>
        <Field label={t("theme")}>
          {(control) => (
            <Select {...control} value={theme} onChange={(event) => { setPreferences({ theme: event.target.value as Theme }); }}>
              <option value="system">{t("themeSystem")}</option>
              <option value="light">{t("themeLight")}</option>
              <option value="dark">{t("themeDark")}</option>
            </Select>
          )}
        </Field>
        <Field label={t("density")}>
          {(control) => (
            <Select {...control} value={density} onChange={(event) => { setPreferences({ density: event.target.value as Density }); }}>
              <option value="comfortable">{t("comfortable")}</option>
              <option value="compact">{t("compact")}</option>
            </Select>
          )}
        </Field>
      </div>
    </Panel>
  );
}
