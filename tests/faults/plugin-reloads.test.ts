import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon.ts";
import { saveByRename } from "../support/packs.ts";
import { anonymousBytes } from "../support/running.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(600_000);

const reloads = 1_000;
/** Some 100 KB, so that a version which is kept is seen. */
const ballast = `export const ballast = [${Array.from({ length: 10_000 }, (_, i) => 100_000_000 + i).join(",")}];\n`;
const awk = (version: number) => `import { defineRuntime } from "attune";
import { ballast } from "./_ballast.ts";
export default defineRuntime({
  name: "awk", api: 1, extensions: [".awk"], description: "version ${version}",
  setup: ({ scope }) => void scope.every(60_000, () => {}),
  hooks: { "execution:state"() { ballast.length; } },
  launch: ({ entrypoint }) => ({ argv: ["awk", "-f", entrypoint, "${version}"] }),
});
`;

test("1,000 reloads of a plugin leave no memory, bundle, descriptor or thread behind", async () => {
  await using daemon = await startDaemon({
    packs: {
      "demo/pack.yaml": "ref: demo\nversion: 1.0.0\n",
      "demo/actions/hello.yaml": "ref: demo.hello\nrunner_type: awk\nentry_point: hello.awk\n",
      "demo/actions/hello.awk": "BEGIN { print ARGV[1] }\n",
    },
    files: { "plugins/awk.ts": awk(0), "plugins/_ballast.ts": ballast },
  });
  const count = (what: string) => readdirSync(`/proc/${daemon.pid}/${what}`).length;
  const description = async () => (await daemon.get<{ description: string }>("/runtimes/local.awk")).description;
  const megabytes: number[] = [];
  const held: { descriptors: number; threads: number }[] = [];
  for (let version = 1; version <= reloads; version++) {
    saveByRename(join(daemon.dir, "plugins/awk.ts"), awk(version));
    await until(`version ${version} serves`, async () => (await description()) === `version ${version}`);
    if (version % 50 !== 0) continue;
    megabytes.push(anonymousBytes(daemon.pid) / 1024 / 1024);
    held.push({ descriptors: count("fd"), threads: count("task") });
  }
  expect((await daemon.cli("run", "demo.hello")).stdout).toBe(`${reloads}\n`);
  // A version that is kept is some 0.3 MB, so all between the parts compared would be 150 MB; the collector's swing is some 40.
  const growth = Math.min(...megabytes.slice(-6)) - Math.min(...megabytes.slice(4, 10));
  console.log(`anonymous memory: ${megabytes.map((each) => each.toFixed(0)).join(" ")} MB`);
  expect(growth).toBeLessThan(75);
  expect(Math.min(...held.slice(-6).map((one) => one.descriptors))).toBeLessThanOrEqual((held[0]?.descriptors ?? 0) + 2);
  expect(Math.min(...held.slice(-6).map((one) => one.threads))).toBeLessThanOrEqual((held[0]?.threads ?? 0) + 2);
  await until("only the bundle in force is left", () => readdirSync(join(daemon.project.dataDir, "plugins")).length === 2);
});
