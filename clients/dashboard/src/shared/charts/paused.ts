import { create } from "zustand";

/** Whether all live charts of the page stand still; `space` does it. Values and gauges stay live. */
const usePausedState = create<{ readonly isPaused: boolean }>(() => ({ isPaused: false }));

export function usePaused(): boolean {
  return usePausedState((state) => state.isPaused);
}

export function setPaused(isPaused: boolean): void {
  usePausedState.setState({ isPaused });
}

export function isPausedNow(): boolean {
  return usePausedState.getState().isPaused;
}
