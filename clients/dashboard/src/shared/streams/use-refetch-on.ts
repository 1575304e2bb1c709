import { useCallback, useEffect, useRef } from "react";
import { queryClient } from "../api/client";
import { useOnEvents } from "./hooks";

/** A list that is asked for again is asked for this often at most, however much happens. */
const LEAST_APART_MS = 1_000;

/** Ask for what a REST path answered again when a log topic tells something new: soon, and never more than once a second. */
export function useRefetchOn(topic: "alerts" | "commands" | "audit", path: string): void {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const askedAt = useRef(0);
  useEffect(
    () => () => {
      clearTimeout(timer.current);
    },
    [],
  );
  useOnEvents(
    topic,
    useCallback(() => {
      if (timer.current !== undefined) return;
      timer.current = setTimeout(
        () => {
          timer.current = undefined;
          askedAt.current = performance.now();
          void queryClient.invalidateQueries({ queryKey: ["get", path] });
        },
        Math.max(0, askedAt.current + LEAST_APART_MS - performance.now()),
      );
    }, [path]),
  );
}
