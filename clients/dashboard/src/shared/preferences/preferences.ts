import { create } from "zustand";

export type Language = "en" | "de";
export type Theme = "system" | "light" | "dark";
export type Density = "comfortable" | "compact";

/** How somebody wants things shown. Nothing secret: it is kept in localStorage, to be there before the first paint. */
export interface Preferences {
  readonly language: Language;
  readonly theme: Theme;
  readonly density: Density;
  readonly isWall: boolean;
}

const KEY = "pulse.preferences";
export const LANGUAGES: readonly string[] = ["en", "de"];

function initial(): Preferences {
  const spoken = navigator.language.slice(0, 2);
  const usual: Preferences = {
    language: LANGUAGES.includes(spoken) ? (spoken as Language) : "en",
    theme: "system",
    density: "comfortable",
    isWall: false,
  };
  return { ...usual, ...kept() };
}

function kept(): Partial<Preferences> {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Preferences>;
  } catch {
    return {};
  }
}

export const usePreferences = create<Preferences>(() => initial());

let onChosen: () => void = () => undefined;

/** Change some by the person's own choice: kept, shown, and taken along to other browsers. */
export function setPreferences(change: Partial<Preferences>): void {
  usePreferences.setState(change);
  onChosen();
}

/** Hear of every choice of the person's own. */
export function whenChosen(run: () => void): void {
  onChosen = run;
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
  // Another tab chose something.
  window.addEventListener("storage", (event) => {
    if (event.key === KEY) usePreferences.setState(kept());
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    show(usePreferences.getState());
  });
}
