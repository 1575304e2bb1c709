import "@/shared/styles/app.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queryClient } from "@/shared/api/client";
import { forgetKept } from "@/shared/cache/last-state";
import { sharePreferences } from "@/shared/preferences/on-server";
import { followPreferences } from "@/shared/preferences/preferences";
import { restore, useSession } from "@/shared/session/session";
import { followSession } from "@/shared/streams/live";
import { Toasts } from "@/shared/ui/toast";
import { router } from "./router";
import { watchForUpdates } from "./updates";

followPreferences();
followSession();
sharePreferences();
restore();
watchForUpdates();
useSession.subscribe((state) => {
  if (state.kind !== "closed") return;
  // Nothing of the last person is left for the next one.
  queryClient.clear();
  void forgetKept();
});

const host = document.getElementById("root");
if (host === null) throw new Error("the page has no place to draw in");
createRoot(host).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
      <Toasts />
    </QueryClientProvider>
  </StrictMode>,
);
