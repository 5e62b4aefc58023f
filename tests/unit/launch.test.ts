import { expect, test } from "bun:test";
import { checkedLaunch, launchMistake } from "../../src/core/launch.ts";
import type { LaunchTarget, RuntimePlugin } from "../../src/core/plugin.ts";

const target = { kind: "action", ref: "p.a", entrypoint: "/p/a.x" } as LaunchTarget;
const plugin = (launch: unknown) => ({ kind: "runtime", name: "mine", api: 1, launch }) as RuntimePlugin;

test.each<[unknown, string | null]>([
  [{ argv: ["awk", ""] }, null],
  [{ argv: ["awk"], env: { A: "" }, cwd: "/", stdin: "", warm: { argv: ["server"], env: {} } }, null],
  [{ argv: ["awk"], env: undefined }, null],
  [undefined, "is no object with argv"],
  [["awk"], "is no object with argv"],
  [{}, "has no argv, the list of program and arguments"],
  [{ argv: "awk -f x" }, "has no argv, the list of program and arguments"],
  [{ argv: ["awk", 5] }, "has an argv of which not all is text without NUL"],
  [{ argv: ["a\0wk"] }, "has an argv of which not all is text without NUL"],
  [{ argv: [""] }, "has an argv without a program"],
  [{ argv: ["awk"], env: { "A=B": "1" } }, 'has an env in which "A=B" is no text without NUL'],
  [{ argv: ["awk"], env: { A: undefined } }, 'has an env in which "A" is no text without NUL'],
  [{ argv: ["awk"], env: [] }, "has an env that is no object"],
  [{ argv: ["awk"], cwd: "lib" }, "has a cwd that is no absolute path"],
  [{ argv: ["awk"], stdin: 5 }, "has a stdin that is no text"],
  [{ argv: ["awk"], warm: true }, "has a warm server that is no object with argv"],
  [{ argv: ["awk"], warm: { argv: [] } }, "has a warm server that has no argv, the list of program and arguments"],
])("%j: %p", (launch, mistake) => {
  expect(launchMistake(launch)).toBe(mistake);
});

test("a launch that is returned at once is given at once, and `this` is the plugin", () => {
  const launch = checkedLaunch(
    plugin(function (this: RuntimePlugin) {
      return { argv: [this.name] };
    }),
  );
  expect(launch(target)).toEqual({ argv: ["mine"] });
});

test("what launch throws, gives wrongly or never gives carries the plugin's name and its place", async () => {
  const at = { file: "/plugins/mine.ts", line: 4, column: 3 };
  const of = (launch: unknown) => checkedLaunch(plugin(launch), () => at, undefined, 20);
  const fails = () => {
    throw new Error("no idea");
  };
  expect(() => of(fails)(target)).toThrow(
    expect.objectContaining({ code: "PLUGIN_FAILED", message: "launch of plugin mine failed: no idea", at }),
  );
  expect(() => of(() => ({}))(target)).toThrow(
    expect.objectContaining({
      message: "launch of plugin mine gave something that has no argv, the list of program and arguments",
    }),
  );
  await expect(of(async () => null)(target)).rejects.toMatchObject({
    message: "launch of plugin mine gave something that is no object with argv",
    at,
  });
  await expect(of(async () => fails())(target)).rejects.toMatchObject({ message: "launch of plugin mine failed: no idea", at });
  await expect(of(() => new Promise(() => {}))(target)).rejects.toMatchObject({
    message: "launch of plugin mine failed: no answer within 20 ms",
    at,
  });
});
