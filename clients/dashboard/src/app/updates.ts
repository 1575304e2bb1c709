import { registerSW } from "virtual:pwa-register";
import { create } from "zustand";

const CHECK_EVERY_MS = 60 * 60 * 1000;

interface Updates {
  /** Load the new version that waits; undefined while there is none. */
  readonly apply: (() => void) | undefined;
  /** Ask the browser to install the app; undefined where it does not offer that. */
  readonly install: (() => void) | undefined;
}

export const useUpdates = create<Updates>(() => ({ apply: undefined, install: undefined }));

interface InstallPrompt extends Event {
  prompt(): Promise<unknown>;
}

/** Register the service worker, and look for a new version once an hour. It never takes over under the user. */
export function watchForUpdates(): void {
  const update = registerSW({
    onNeedRefresh() {
      useUpdates.setState({ apply: () => void update(true) });
    },
    onRegisteredSW(_address, registration) {
      if (registration !== undefined) setInterval(() => void registration.update().catch(() => undefined), CHECK_EVERY_MS);
    },
  });
  window.addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    useUpdates.setState({
      install: () => {
        void (event as InstallPrompt).prompt();
        useUpdates.setState({ install: undefined });
      },
    });
  });
}
