import { expect, test } from "bun:test";
import { createTurns } from "../../src/core/environments/turns.ts";

const never = new AbortController().signal;

test("one of a key at a time, so many altogether, in the order they came", async () => {
  const turns = createTurns(2);
  const began: string[] = [];
  const ends = new Map<string, () => void>();
  const take = (key: string, name: string, signal = never) =>
    turns.take(key, signal, () => {
      began.push(name);
      return new Promise<void>((resolve) => ends.set(name, resolve));
    });
  const end = async (name: string) => {
    ends.get(name)?.();
    await Bun.sleep(0);
  };
  const leaving = new AbortController();
  const all = [take("a", "a1"), take("a", "a2"), take("b", "b1"), take("c", "c1"), take("d", "d1", leaving.signal)];
  await Bun.sleep(0);
  expect(began).toEqual(["a1", "b1"]);
  await end("b1");
  expect(began).toEqual(["a1", "b1", "c1"]);
  leaving.abort(new Error("not needed"));
  await expect(all[4]).rejects.toThrow("not needed");
  await end("a1");
  expect(began).toEqual(["a1", "b1", "c1", "a2"]);
  await end("a2");
  await end("c1");
  await Promise.all(all.slice(0, 4));
  expect(began).not.toContain("d1");
});

test("a turn ends also when the work fails", async () => {
  const turns = createTurns(1);
  await expect(turns.take("a", never, () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  expect(await turns.take("a", never, async () => 1)).toBe(1);
});
