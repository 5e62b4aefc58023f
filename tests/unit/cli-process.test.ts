import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import path from "node:path";
import { record, startTestApi, type TestApi, token } from "../support/api.ts";
import { until } from "../support/until.ts";

const main = path.join(import.meta.dir, "../../src/main.ts");
let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api[Symbol.asyncDispose]());

function start(command: string, env: Record<string, string> = {}) {
  return Bun.spawn(["/bin/sh", "-c", command], {
    env: {
      PATH: process.env["PATH"] ?? "",
      ATTUNE_API_URL: api.url,
      ATTUNE_API_TOKEN: token,
      BUN: process.execPath,
      MAIN: main,
      ...env,
    },
    stdout: "pipe",
    stderr: "pipe",
  });
}
async function finished(child: ReturnType<typeof start>) {
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, code };
}

describe("the process", () => {
  test("ends quietly when nobody reads its output any more", async () => {
    for (let i = 0; i < 3_000; i++) api.engine.executions.set(`e${i}`, record(`e${i}`, "demo.greet"));
    const { out, err, code } = await finished(
      start('{ "$BUN" "$MAIN" execution list --limit 3000 -j; echo "code $?" >&2; } | head -n 1'),
    );
    expect([out, err, code]).toEqual(["[\n", "code 0\n", 0]);
  });

  test("hands over all its output before it exits", async () => {
    const { out, code } = await finished(start('"$BUN" "$MAIN" execution list --limit 3000 -j | { sleep 0.2; cat; }'));
    expect([JSON.parse(out).length, code]).toEqual([3_000, 0]);
  });

  test("reaches this machine's daemon past a proxy", async () => {
    const proxy = "http://127.0.0.1:1";
    const { code } = await finished(start('exec "$BUN" "$MAIN" status', { HTTP_PROXY: proxy, http_proxy: proxy }));
    expect(code).toBe(0);
  });

  test("ends with 130 on SIGINT", async () => {
    const before = api.engine.running.size;
    const child = start('exec "$BUN" "$MAIN" run demo.wait');
    await until("the action runs", () => api.engine.running.size > before);
    child.kill("SIGINT");
    expect((await finished(child)).code).toBe(130);
  });

  test("prints no stack and no colour in a pipe", async () => {
    const { err, code } = await finished(start('exec "$BUN" "$MAIN" rule show nope.nope'));
    expect([err, code]).toEqual(["error: there is no rule nope.nope\n", 3]);
  });
});
