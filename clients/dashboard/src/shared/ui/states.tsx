import { CircleAlert, Inbox, RotateCw } from "lucide-react";
import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { ApiProblem } from "../api/problem";
import { useText } from "../i18n/messages";
import { Button } from "./button";
import { cx } from "./classes";
import { uiTexts } from "./texts";

/** Waiting is explained after so long. */
const SLOW_MS = 6_000;

export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden className={cx("animate-pulse rounded-md bg-mute-soft", className)} />;
}

/** Something is on its way; after a while it says that it takes long, and offers to try again. */
export function LoadingState({ onRetry, children }: { onRetry?: () => void; children?: ReactNode }) {
  const t = useText(uiTexts);
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => {
      setSlow(true);
    }, SLOW_MS);
    return () => {
      clearTimeout(timer);
    };
  }, []);
  return (
    <div aria-busy className="flex flex-col gap-3">
      <span role="status" className="sr-only">
        {t("loading")}
      </span>
      {children ?? (
        <>
          <Skeleton className="h-8 w-1/3" />
          <Skeleton className="h-24" />
          <Skeleton className="h-24" />
        </>
      )}
      {isSlow && (
        <p className="flex items-center gap-3 text-sm text-ink-soft">
          {t("slow")}
          {onRetry !== undefined && <Button onClick={onRetry}>{t("retry")}</Button>}
        </p>
      )}
    </div>
  );
}

/** What is wrong, in the person's language where we know the case, else in the service's words. */
export function useProblemText(): (error: unknown) => string {
  const t = useText(uiTexts);
  return (error) => {
    if (!(error instanceof ApiProblem)) return t("failed", { reason: error instanceof Error ? error.message : String(error) });
    if (error.code === "timeout") return t("timeout");
    if (error.isUnreachable) return t("unreachable");
    if (error.status === 403) return t("forbidden");
    if (error.status === 404) return t("notFound");
    return t("failed", { reason: error.message });
  };
}

/** Something did not come: why, and what can be done. */
export function ErrorState({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const t = useText(uiTexts);
  const problemText = useProblemText();
  const requestId = error instanceof ApiProblem ? error.requestId : undefined;
  return (
    <div role="alert" className="flex flex-col items-center gap-2 rounded-lg border border-line bg-surface px-6 py-10 text-center">
      <CircleAlert className="size-6 text-bad" aria-hidden />
      <p className="font-medium">{problemText(error)}</p>
      {requestId !== undefined && <p className="figures text-xs text-ink-faint">{t("requestId", { id: requestId })}</p>}
      {onRetry !== undefined && (
        <Button className="mt-2" icon={<RotateCw className="size-4" aria-hidden />} onClick={onRetry}>
          {t("retry")}
        </Button>
      )}
    </div>
  );
}

/** There is nothing, and that is no mistake: say so, and what to do about it. */
export function EmptyState({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-2 px-6 py-10 text-center">
      <Inbox className="size-6 text-ink-faint" aria-hidden />
      <p className="font-medium">{title}</p>
      {children !== undefined && <div className="max-w-prose text-sm text-ink-soft">{children}</div>}
      {action}
    </div>
  );
}

/** What a query of TanStack looks like from here. */
interface Asked<T> {
  readonly data: T | undefined;
  readonly error: unknown;
  readonly refetch: () => unknown;
}

/** Show a query: what came, else why not, else that it is on its way. What came stays while it is asked for again. */
export function Await<T>({ asked, children, loading }: {
  asked: Asked<T>;
  children: (data: T) => ReactNode;
  loading?: ReactNode;
}) {
  const retry = (): void => {
    void asked.refetch();
  };
  if (asked.data !== undefined) return <>{children(asked.data)}</>;
  if (asked.error !== null && asked.error !== undefined) return <ErrorState error={asked.error} onRetry={retry} />;
  return <LoadingState onRetry={retry}>{loading}</LoadingState>;
}
