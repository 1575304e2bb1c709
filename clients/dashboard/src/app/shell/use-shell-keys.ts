import { useEffect, useRef } from "react";
import { isPausedNow, setPaused } from "@/shared/charts/paused";
import { setPreferences, usePreferences } from "@/shared/preferences/preferences";

/** The keys of the palette, as they are written on this person's keyboard. */
export const PALETTE_KEYS = /Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘K" : "Ctrl K";

interface ShellKeys {
  readonly palette: () => void;
  readonly help: () => void;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** The keys that work everywhere: ⌘K or Ctrl K, `?`, `/`, space, `w`. Never while somebody types. */
export function useShellKeys(keys: ShellKeys): void {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() === "k" && (event.metaKey || event.ctrlKey)) {
        event.preventDefault();
        latest.current.palette();
        return;
      }
      if (isTyping(event.target) || event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented) return;
      // In a dialog the keys belong to the dialog.
      if (document.querySelector("[role=dialog],[role=menu]") !== null) return;
      if (event.key === "?") {
        latest.current.help();
      } else if (event.key === "/") {
        const search = document.querySelector<HTMLElement>("[data-screen-search]");
        if (search === null) latest.current.palette();
        else search.focus();
      } else if (event.key === "w") {
        setPreferences({ isWall: !usePreferences.getState().isWall });
      } else if (event.key === " " && (event.target === document.body || event.target === document.getElementById("content"))) {
        setPaused(!isPausedNow());
      } else {
        return;
      }
      event.preventDefault();
    };
    document.addEventListener("keydown", press);
    return () => {
      document.removeEventListener("keydown", press);
    };
  }, []);
}
