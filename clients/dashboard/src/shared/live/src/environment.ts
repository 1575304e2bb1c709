/** What the client wants to know of the page it runs in. */
export interface Environment {
  isVisible(): boolean;
  isOnline(): boolean;
  onChange(listener: () => void): () => void;
}

/** A process without a page: always seen, always with a network. */
export const headless: Environment = {
  isVisible: () => true,
  isOnline: () => true,
  onChange: () => () => undefined,
};

/** The page that the browser shows. */
export function browserEnvironment(): Environment {
  return {
    isVisible: () => document.visibilityState === "visible",
    isOnline: () => navigator.onLine,
    onChange(listener) {
      const targets: [EventTarget, string][] = [
        [document, "visibilitychange"],
        [window, "online"],
        [window, "offline"],
        [window, "pageshow"],
      ];
      for (const [target, name] of targets) target.addEventListener(name, listener);
      return () => {
        for (const [target, name] of targets) target.removeEventListener(name, listener);
      };
    },
  };
}
