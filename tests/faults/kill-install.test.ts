import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writePack } from "../support/packs.ts";
import { makeProject } from "../support/project.ts";

const rounds = Number(process.env["ATTUNE_TEST_KILLS"] ?? 12);
const files = 400;

/** A pack whose every file says its version. */
function packOf(version: string): Record<string, string> {
  const libs = Array.from({ length: files }, (_, i) => [`lib/d${i % 20}/f${i}.txt`, version]);
  return { "pack.yaml": `ref: big\nversion: ${version}\n`, ...Object.fromEntries(libs) };
}

test(
  "killed at any moment, an installation leaves one whole version, and the next one leaves nothing else",
  async () => {
    await using project = makeProject();
    const sources = ["1.0.0", "2.0.0"].map((version) => writePack(join(project.scratch, version), packOf(version)));
    const packs = join(project.dir, "packs");
    const installArgs = (round: number) => ["pack", "install", sources[round % 2] ?? "", "--force"];
    const whole = () => {
      const lib = join(packs, "big/lib");
      const names = readdirSync(lib, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
      const versions = new Set(names.map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8")));
      expect([names.length, versions.size]).toEqual([files, 1]);
      expect(readFileSync(join(packs, "big/pack.yaml"), "utf8")).toContain([...versions][0] ?? "none");
    };

    const began = performance.now();
    expect((await project.cli(...installArgs(0))).code).toBe(0);
    const took = performance.now() - began;
    let interrupted = 0;
    for (let round = 1; round <= rounds; round++) {
      const child = Bun.spawn(project.command(installArgs(round)), {
        cwd: project.dir,
        env: project.env,
        stdout: "ignore",
        stderr: "ignore",
      });
      // Spread over the whole of an installation.
      await Bun.sleep(took * (0.2 + (0.9 * round) / rounds));
      child.kill("SIGKILL");
      await child.exited;
      if (child.signalCode === "SIGKILL") interrupted += 1;
      whole();
    }
    expect(interrupted).toBeGreaterThan(rounds / 4);
    expect((await project.cli(...installArgs(0))).code).toBe(0);
    whole();
    expect(readdirSync(packs)).toEqual(["big"]);
  },
  { timeout: 120_000 },
);
