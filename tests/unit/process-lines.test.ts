import { expect, test } from "bun:test";
import fc from "fast-check";
import { createLineSplitter } from "../../src/core/processes/lines.ts";

async function split(chunks: readonly Uint8Array[], limit = 1_000) {
  const lines: string[] = [];
  let tooLong = 0;
  const splitter = createLineSplitter(
    limit,
    (line) => void lines.push(line),
    () => {
      tooLong++;
    },
  );
  for (const chunk of chunks) {
    const reused = Buffer.from(chunk);
    await splitter.push(reused);
    // A reader may put the next chunk into the same buffer.
    reused.fill(33);
  }
  await splitter.end();
  return { lines, tooLong };
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end));
}

test("however the bytes are cut, the lines are the same", async () => {
  const word = fc.constantFrom("", "a", "ü", "😀", "\r", "long line ".repeat(10));
  await fc.assert(
    fc.asyncProperty(fc.array(word), fc.boolean(), fc.array(fc.nat()), async (words, ended, places) => {
      const text = words.join("\n") + (ended ? "\n" : "");
      const expected = text.split("\n").map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
      if (text.endsWith("\n") || text === "") expected.pop();
      expect((await split(cut(Buffer.from(text), places))).lines).toEqual(expected);
    }),
  );
});

test("a line over the limit is dropped up to its end and told once; its neighbours are not touched", async () => {
  const bytes = Buffer.from(`before\n${"x".repeat(21)}\nafter\n${"y".repeat(20)}\n${"z".repeat(50)}`);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat()), async (places) => {
      expect(await split(cut(bytes, places), 20)).toEqual({ lines: ["before", "after", "y".repeat(20)], tooLong: 2 });
    }),
  );
});

test("bytes that are not UTF-8 are replaced", async () => {
  expect((await split([Buffer.from([0x61, 0xff, 0x62, 10])])).lines).toEqual(["a\uFFFDb"]);
});

test("push waits until every line in it was taken, one after the other", async () => {
  const order: string[] = [];
  const splitter = createLineSplitter(
    100,
    async (line) => {
      order.push(`${line} begins`);
      await Bun.sleep(1);
      order.push(`${line} ends`);
    },
    () => {},
  );
  await splitter.push(Buffer.from("a\nb\n"));
  expect(order).toEqual(["a begins", "a ends", "b begins", "b ends"]);
});
