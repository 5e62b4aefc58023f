import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { createOutputBuffer } from "../../src/core/executions/output.ts";

const bytes = fc.uint8Array({ maxLength: 30 });

test("up to the limit all is kept; beyond it the first half and the last, with the count of what is missing", () => {
  fc.assert(
    fc.property(fc.array(bytes), fc.integer({ min: 2, max: 100 }), (chunks, limit) => {
      const buffer = createOutputBuffer(limit);
      for (const chunk of chunks) buffer.append(chunk);
      const all = Buffer.concat(chunks);
      const head = Math.floor(limit / 2);
      const expected =
        all.length <= limit
          ? all
          : Buffer.concat([
              all.subarray(0, head),
              Buffer.from(`\n[attune: ${all.length - limit} bytes left out]\n`),
              all.subarray(all.length - (limit - head)),
            ]);
      expect(buffer.content()).toEqual(expected);
      expect(buffer.totalBytes).toBe(all.length);
      expect(buffer.truncated).toBe(all.length > limit);
    }),
  );
});

test("a follower gets what was printed so far and all that comes, until it stops", () => {
  const buffer = createOutputBuffer(4);
  buffer.append(Buffer.from("ab"));
  const heard: string[] = [];
  const stop = buffer.follow((chunk) => void heard.push(Buffer.from(chunk).toString()));
  buffer.append(Buffer.from("cdefgh"));
  stop();
  buffer.append(Buffer.from("i"));
  expect(heard).toEqual(["ab", "cdefgh"]);
});

test("many tiny pieces leave no object each behind", () => {
  const buffer = createOutputBuffer(200_000);
  Bun.gc(true);
  const before = heapStats().objectCount;
  for (let i = 0; i < 400_000; i++) buffer.append(new Uint8Array([i & 255]));
  Bun.gc(true);
  expect(heapStats().objectCount - before).toBeLessThan(5_000);
  expect(buffer.totalBytes).toBe(400_000);
});
