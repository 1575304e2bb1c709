import { expect, test } from "vitest";
import type { CommandState } from "@/shared/commands/states";
import { isEnded, withNews } from "./command-states";
import type { CommandItem, ToldStep } from "./command-states";

const AT = Date.parse("2026-11-21T10:00:00Z");
const item = (state: CommandState): CommandItem => ({
  id: "1", batch_id: "2", device_id: "PRESS-1", name: "PING", state, actor_id: "3", actor_name: "anna", progress: null, message: null,
  error: null, created_at: new Date(AT).toISOString(), updated_at: new Date(AT).toISOString(), expires_at: new Date(AT).toISOString(),
  published_at: null,
});
const step = (state: string, after: number, progress: number | null = null): ToldStep => ({
  ts: AT + after,
  data: {
    command_id: "1", batch_id: "2", device_id: "PRESS-1", name: "PING", state, progress, message: null, error_code: null,
    actor_id: null, actor_name: null,
  },
});

test("news brings a command on, and never back", () => {
  expect(withNews(item("queued"), [step("started", 20, 0.5), step("received", 10)])).toMatchObject({ state: "started", progress: 0.5 });
  expect(withNews(item("succeeded"), [step("received", 50)]).state).toBe("succeeded");
  expect(withNews(item("started"), undefined).state).toBe("started");
});

test("an unknown end turns into what really happened", () => {
  expect(withNews(item("unknown"), [step("succeeded", 30)]).state).toBe("succeeded");
  expect(withNews(item("succeeded"), [step("unknown", -30)]).state).toBe("succeeded");
});

test("a state that this page does not know changes nothing", () => {
  expect(withNews(item("queued"), [step("teleported", 30)]).state).toBe("queued");
  expect([isEnded("started"), isEnded("unknown"), isEnded("cancelled")]).toEqual([false, true, true]);
});
