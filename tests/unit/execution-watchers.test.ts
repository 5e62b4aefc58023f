import { expect, test } from "bun:test";
import { createExecutionWatchers } from "../../src/core/engine/execution-watchers.ts";
import type { ExecutionChange, ExecutionStatus } from "../../src/core/plugin.ts";

const change = (id: string, from: ExecutionStatus, to: ExecutionStatus): ExecutionChange => ({
  id,
  action: "p.a",
  rule: null,
  from,
  to,
  exitCode: null,
  error: null,
});
const never = new AbortController().signal;

test("waiting ends with the change it is for, and with that of its own execution only", async () => {
  const watchers = createExecutionWatchers();
  const reached: string[] = [];
  const wait = (id: string, what: "started" | "finished") =>
    watchers.until(id, never, what, async () => "waiting").then(() => void reached.push(`${id} ${what}`));
  const all = [wait("a", "started"), wait("a", "finished"), wait("b", "finished")];
  await Bun.sleep(0);
  watchers.changed(change("a", "scheduled", "running"));
  await all[0];
  expect(reached).toEqual(["a started"]);
  watchers.changed(change("a", "running", "failed"));
  await all[1];
  watchers.changed(change("b", "scheduled", "cancelled"));
  await Promise.all(all);
  expect(reached).toEqual(["a started", "a finished", "b finished"]);
});

test("what has happened already is seen by the look, and what happens during the look is not missed", async () => {
  const watchers = createExecutionWatchers();
  await watchers.until("a", never, "finished", async () => "over");
  await watchers.until("a", never, "started", async () => "running");
  await watchers.until("a", never, "finished", async () => {
    watchers.changed(change("a", "running", "completed"));
    return "running";
  });
});

test("giving up rejects, before and while waiting, and a look that fails is passed on", async () => {
  const watchers = createExecutionWatchers();
  await expect(watchers.until("a", AbortSignal.abort(new Error("gone")), "finished", async () => "waiting")).rejects.toThrow(
    "gone",
  );
  const controller = new AbortController();
  const waiting = watchers.until("a", controller.signal, "finished", async () => "waiting");
  await Bun.sleep(0);
  controller.abort(new Error("closed"));
  await expect(waiting).rejects.toThrow("closed");
  await expect(watchers.until("a", never, "finished", () => Promise.reject(new Error("no such execution")))).rejects.toThrow(
    "no such",
  );
});
