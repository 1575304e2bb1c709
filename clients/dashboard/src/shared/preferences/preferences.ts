import { create } from "zustand";

export type Language = "en" | "de";
export type Theme = "system" | "light" | "dark";
export type Density = "comfortable" | "compact";

/** How somebody wants this browser to show things. Nothing secret: it is kept in localStorage. */
export interface Preferences {
  readonly language: Language;
  readonly theme: Theme;
  readonly density: Density;
  readonly isWall: boolean;
}

const KEY = "pulse.preferences";
const LANGUAGES: readonly string[] = ["en", "de"];

function initial(): Preferences {
  const spoken = navigator.language.slice(0, 2);
  const usual: Preferences = {
    language: LANGUAGES.includes(spoken) ? (spoken as Language) : "en",
    theme: "system",
    density: "comfortable",
    isWall: false,
  };
  try {
    return { ...usual, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Preferences>) };
  } catch {
    return usual;
  }
}

export const usePreferences = create<Preferences>(() => initial());

/** Change some, keep them, show them. */
export function setPreferences(change: Partial<Preferences>): void {
  usePreferences.setState(change);
}

function show(preferences: Preferences): void {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset["theme"] = preferences.theme === "system" ? (dark ? "dark" : "light") : preferences.theme;
  root.dataset["density"] = preferences.density;
  root.dataset["wall"] = String(preferences.isWall);
  root.lang = preferences.language;
}

/** Bring the page in line with the preferences, now and whenever they or the system's theme change. */
export function followPreferences(): void {
  show(usePreferences.getState());
  usePreferences.subscribe((now) => {
    show(now);
    try {
      localStorage.setItem(KEY, JSON.stringify(now));
    } catch {
      // A browser that keeps nothing still shows what was chosen.
    }
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    show(usePreferences.getState());
  });
}
