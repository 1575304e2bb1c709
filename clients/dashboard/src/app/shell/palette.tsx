import { useNavigate } from "@tanstack/react-router";
import { MonitorPlay, Moon, Router, Sun } from "lucide-react";
import { useId, useMemo, useState } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import { useText } from "@/shared/i18n/messages";
import { setPreferences, usePreferences } from "@/shared/preferences/preferences";
import { useUser } from "@/shared/session/session";
import { useStates } from "@/shared/streams/hooks";
import { cx } from "@/shared/ui/classes";
import { Dialog } from "@/shared/ui/dialog";
import { Input } from "@/shared/ui/field";
import { DESTINATIONS } from "../navigation";
import { appTexts, screenTexts } from "../texts";

interface Choice {
  readonly id: string;
  readonly text: string;
  readonly icon: ReactNode;
  readonly run: () => void;
}

const SHOWN = 12;

/** Everything that can be reached or done, by its name. */
export function Palette({ onClose }: { onClose: () => void }) {
  const t = useText(appTexts);
  const name = useText(screenTexts);
  const listId = useId();
  const navigate = useNavigate();
  const permissions = useUser()?.permissions;
  const devices = useStates("devices");
  const isWall = usePreferences((state) => state.isWall);
  const [asked, setAsked] = useState("");
  const [active, setActive] = useState(0);

  const choices = useMemo((): Choice[] => {
    const icon = "size-4 shrink-0 text-ink-faint";
    const screens = DESTINATIONS.filter((one) => one.permission === undefined || permissions?.includes(one.permission)).map(
      ({ to, text, icon: Icon }): Choice => ({
        id: to,
        text: t("paletteGo", { name: name(text) }),
        icon: <Icon className={icon} aria-hidden />,
        run: () => void navigate({ to }),
      }),
    );
    const actions: Choice[] = [
      { id: "light", text: t("themeLight"), icon: <Sun className={icon} aria-hidden />, run: () => { setPreferences({ theme: "light" }); } },
      { id: "dark", text: t("themeDark"), icon: <Moon className={icon} aria-hidden />, run: () => { setPreferences({ theme: "dark" }); } },
      { id: "wall", text: t(isWall ? "wallOff" : "wallOn"), icon: <MonitorPlay className={icon} aria-hidden />, run: () => { setPreferences({ isWall: !isWall }); } },
    ];
    const found = [...devices].map(
      ([deviceId, device]): Choice => ({
        id: `device:${deviceId}`,
        text: t("paletteDevice", { name: device.name === deviceId ? deviceId : `${device.name} (${deviceId})` }),
        icon: <Router className={icon} aria-hidden />,
        run: () => void navigate({ to: "/devices/$deviceId", params: { deviceId } }),
      }),
    );
    const words = asked.toLowerCase().split(/\s+/).filter(Boolean);
    return [...screens, ...actions, ...(words.length === 0 ? [] : found)]
      .filter((choice) => words.every((word) => choice.text.toLowerCase().includes(word)))
      .slice(0, SHOWN);
  }, [asked, devices, isWall, navigate, permissions, t, name]);

  const choose = (choice: Choice | undefined): void => {
    if (choice === undefined) return;
    onClose();
    choice.run();
  };
  const press = (event: KeyboardEvent): void => {
    if (event.key === "Enter") choose(choices[active]);
    else if (event.key === "ArrowDown") setActive(Math.min(active + 1, choices.length - 1));
    else if (event.key === "ArrowUp") setActive(Math.max(active - 1, 0));
    else return;
    event.preventDefault();
  };
  return (
    <Dialog isOpen onClose={onClose} title={t("commands")}>
      <Input
        role="combobox"
        aria-expanded
        aria-controls={listId}
        aria-activedescendant={choices[active] === undefined ? undefined : `${listId}-${String(active)}`}
        aria-label={t("paletteHint")}
        placeholder={t("paletteHint")}
        value={asked}
        onKeyDown={press}
        onChange={(event) => {
          setAsked(event.target.value);
          setActive(0);
        }}
      />
      <ul id={listId} role="listbox" aria-label={t("commands")} className="mt-3 flex h-80 flex-col gap-0.5 overflow-y-auto">
        {choices.map((choice, index) => (
          // The keys work in the field above, which is where the focus stays.
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events
          <li
            key={choice.id}
            id={`${listId}-${String(index)}`}
            role="option"
            aria-selected={index === active}
            onPointerMove={() => { setActive(index); }}
            onClick={() => { choose(choice); }}
            className={cx("flex min-h-9 cursor-pointer items-center gap-3 rounded-md px-3 text-sm", index === active && "bg-accent-soft")}
          >
            {choice.icon}
            <span className="truncate">{choice.text}</span>
          </li>
        ))}
        {choices.length === 0 && <li className="px-3 py-2 text-sm text-ink-soft">{t("paletteEmpty")}</li>}
      </ul>
    </Dialog>
  );
}
