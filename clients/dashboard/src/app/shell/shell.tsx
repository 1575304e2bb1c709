import { Outlet } from "@tanstack/react-router";
import { CircleHelp, Menu as MenuIcon, Search } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useText } from "@/shared/i18n/messages";
import { usePreferences } from "@/shared/preferences/preferences";
import { useSession } from "@/shared/session/session";
import { useStates } from "@/shared/streams/hooks";
import { Button, IconButton } from "@/shared/ui/button";
import { LoadingState } from "@/shared/ui/states";
import { appTexts } from "../texts";
import { ConnectionBanner, ConnectionMark } from "./connection";
import { Logo } from "./logo";
import { NavigationList } from "./navigation-list";
import { SessionNotices } from "./session-notices";
import { PALETTE_KEYS, useShellKeys } from "./use-shell-keys";

const SignIn = lazy(() => import("@/features/sign-in/ui/sign-in-screen").then((module) => ({ default: module.Screen })));
const AccountMenu = lazy(() => import("./account-menu").then((module) => ({ default: module.AccountMenu })));
const Drawer = lazy(() => import("./drawer").then((module) => ({ default: module.Drawer })));
const Palette = lazy(() => import("./palette").then((module) => ({ default: module.Palette })));
const Help = lazy(() => import("./help").then((module) => ({ default: module.Help })));

/** The frame of the product: without a session the way in, with one the screens. */
export function Shell() {
  const isClosed = useSession((state) => state.kind === "closed");
  const isNew = useSession((state) => state.kind === "restoring" && state.user === undefined);
  if (isNew) return null;
  if (isClosed) {
    return (
      <Suspense fallback={null}>
        <SignIn />
      </Suspense>
    );
  }
  return <Frame />;
}

function Frame() {
  const t = useText(appTexts);
  const isWall = usePreferences((state) => state.isWall);
  const [open, setOpen] = useState<"palette" | "help" | "navigation" | undefined>();
  const close = (): void => {
    setOpen(undefined);
  };
  useShellKeys({
    palette: () => { setOpen("palette"); },
    help: () => { setOpen("help"); },
  });
  // Every screen says something about devices; the subscription lives as long as the frame.
  useStates("devices");
  return (
    <div className={isWall ? "" : "lg:pl-56"}>
      <a
        href="#content"
        className="sr-only z-50 rounded-md bg-accent px-4 py-2 text-accent-ink focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
      >
        {t("skip")}
      </a>
      {!isWall && (
        <aside className="no-print fixed inset-y-0 left-0 hidden w-56 flex-col gap-5 overflow-y-auto border-r border-line bg-surface px-3 py-3 lg:flex">
          <Logo />
          <NavigationList />
        </aside>
      )}
      <header className="no-print sticky top-0 z-20 flex h-14 items-center gap-2 border-b border-line bg-surface px-3 md:px-4">
        {!isWall && (
          <div className="flex items-center gap-1 lg:hidden">
            <IconButton label={t("openNavigation")} icon={<MenuIcon className="size-5" aria-hidden />} onClick={() => { setOpen("navigation"); }} />
            <span className="sm:hidden"><Logo isSmall /></span>
            <span className="hidden sm:inline"><Logo /></span>
          </div>
        )}
        {isWall && <Logo />}
        <div className="relative flex h-full min-w-0 grow items-center">
          <Button
            tone="quiet"
            className="w-full max-w-80 justify-start border border-line text-ink-faint max-md:hidden"
            icon={<Search className="size-4" aria-hidden />}
            onClick={() => { setOpen("palette"); }}
          >
            <span className="grow text-left">{t("commands")}</span>
            <kbd className="figures rounded-sm border border-line px-1.5 text-xs">{PALETTE_KEYS}</kbd>
          </Button>
          <ConnectionBanner />
        </div>
        <span className="md:hidden">
          <IconButton label={t("commands")} icon={<Search className="size-4" aria-hidden />} onClick={() => { setOpen("palette"); }} />
        </span>
        <ConnectionMark />
        <IconButton label={t("help")} icon={<CircleHelp className="size-4" aria-hidden />} className="max-sm:hidden" onClick={() => { setOpen("help"); }} />
        <Suspense fallback={<span className="w-control" />}>
          <AccountMenu />
        </Suspense>
      </header>
      <main id="content" tabIndex={-1} className="mx-auto max-w-[120rem] p-3 outline-none md:p-5">
        <SessionNotices />
        <Suspense fallback={<LoadingState />}>
          <Outlet />
        </Suspense>
      </main>
      <Suspense fallback={null}>
        {open === "palette" && <Palette onClose={close} />}
        {open === "navigation" && <Drawer onClose={close} />}
        {open === "help" && <Help onClose={close} />}
      </Suspense>
    </div>
  );
}
