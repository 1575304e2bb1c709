import { useNavigate } from "@tanstack/react-router";
import { Download, Languages, LogOut, Monitor, MonitorPlay, Moon, Rows2, Rows4, Sun, UserRound } from "lucide-react";
import { useText } from "@/shared/i18n/messages";
import { setPreferences, usePreferences } from "@/shared/preferences/preferences";
import { signOut, useUser } from "@/shared/session/session";
import { Button } from "@/shared/ui/button";
import { Menu } from "@/shared/ui/menu";
import { useProblemText } from "@/shared/ui/states";
import { notify } from "@/shared/ui/toast";
import { appTexts } from "../texts";
import { useUpdates } from "../updates";

const ICON = "size-4 shrink-0";

/** Who is signed in, how the page looks, and the way out. */
export function AccountMenu() {
  const t = useText(appTexts);
  const navigate = useNavigate();
  const user = useUser();
  const problemText = useProblemText();
  const { theme, density, language, isWall } = usePreferences();
  const leave = (): void => {
    signOut().catch((error: unknown) => {
      notify("bad", t("signOutFailed", { reason: problemText(error) }));
    });
  };
  const install = useUpdates((state) => state.install);
  const name = user?.username ?? "";
  return (
    <Menu
      trigger={
        <Button tone="quiet" icon={<UserRound className={ICON} aria-hidden />} aria-label={t("account", { name })}>
          <span className="hidden max-w-32 truncate sm:inline">{name}</span>
        </Button>
      }
      heading={
        <>
          <span className="block font-medium text-ink">{name}</span>
          {user?.roles.join(", ")}
        </>
      }
      groups={[
        [
          { label: t("themeSystem"), icon: <Monitor className={ICON} />, isChosen: theme === "system", onSelect: () => { setPreferences({ theme: "system" }); } },
          { label: t("themeLight"), icon: <Sun className={ICON} />, isChosen: theme === "light", onSelect: () => { setPreferences({ theme: "light" }); } },
          { label: t("themeDark"), icon: <Moon className={ICON} />, isChosen: theme === "dark", onSelect: () => { setPreferences({ theme: "dark" }); } },
        ],
        [
          { label: t("comfortable"), icon: <Rows2 className={ICON} />, isChosen: density === "comfortable", onSelect: () => { setPreferences({ density: "comfortable" }); } },
          { label: t("compact"), icon: <Rows4 className={ICON} />, isChosen: density === "compact", onSelect: () => { setPreferences({ density: "compact" }); } },
          { label: t(isWall ? "wallOff" : "wallOn"), icon: <MonitorPlay className={ICON} />, onSelect: () => { setPreferences({ isWall: !isWall }); } },
        ],
        [
          { label: t("english"), icon: <Languages className={ICON} />, isChosen: language === "en", onSelect: () => { setPreferences({ language: "en" }); } },
          { label: t("german"), icon: <Languages className={ICON} />, isChosen: language === "de", onSelect: () => { setPreferences({ language: "de" }); } },
        ],
        [
          ...(install === undefined ? [] : [{ label: t("install"), icon: <Download className={ICON} />, onSelect: install }]),
          { label: t("profile"), icon: <UserRound className={ICON} />, onSelect: () => void navigate({ to: "/profile" }) },
          { label: t("signOut"), icon: <LogOut className={ICON} />, onSelect: leave },
        ],
      ]}
    />
  );
}
