import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(120_000);

const action = (label: string) => `ref: p.a\nlabel: ${label}\nrunner_type: shell\nentry_point: a.sh\n`;
const packs = {
  "p/pack.yaml": "ref: p\nversion: 1.0.0\n",
  "p/actions/a.yaml": action("first"),
  "p/actions/a.sh": "#!/bin/sh\necho one\n",
  "p/lib/old.txt": "only in the first\n",
};

test("versions of a pack can be compared and gone back to, and the files on disk are theirs", async () => {
  await using daemon = await startDaemon({ packs });
  const file = (name: string) => join(daemon.dir, "packs/p", name);
  const says = async () => (await daemon.cli("run", "p.a")).stdout.trim();
  const label = async () => (await daemon.get<{ label: string }>("/actions/p.a")).label;
  expect(await says()).toBe("one");

  mkdirSync(file(".git"));
  writeFileSync(file(".git/HEAD"), "ref\n");
  writeFileSync(file("pack.yaml"), "ref: p\nversion: 2.0.0\n");
  writeFileSync(file("actions/a.yaml"), action("second"));
  writeFileSync(file("actions/a.sh"), "#!/bin/sh\necho two\n");
  rmSync(file("lib/old.txt"));
  writeFileSync(file("lib/new.bin"), Buffer.from([0, 1, 2]));
  await until("the second version is live", async () => (await label()) === "second" && (await says()) === "two");
  await daemon.cli("pack", "reload");

  const history = (await daemon.cli("pack", "history", "p", "-o", "json")).json<
    { id: number; version: string; snapshot: string }[]
  >();
  expect(history.at(-1)?.version).toBe("1.0.0");
  expect(history[0]?.version).toBe("2.0.0");
  const first = history.at(-1);

  const diff = await daemon.cli("pack", "diff", "p", "1.0.0");
  expect(diff.code).toBe(0);
  expect(diff.stdout).toContain("--- a/actions/a.sh\n+++ b/actions/a.sh\n@@ -1,2 +1,2 @@\n #!/bin/sh\n-echo one\n+echo two\n");
  expect(diff.stdout).toContain("+++ /dev/null\n@@ -1,1 +0,0 @@\n-only in the first\n");
  expect(diff.stdout).toContain("lib/new.bin: added; not shown");
  expect((await daemon.cli("pack", "diff", "p", String(first?.id), first?.snapshot.slice(0, 8) ?? "")).stdout).toBe(
    "no difference\n",
  );
  expect((await daemon.cli("pack", "diff", "p", "9.9.9")).code).toBe(3);
  expect((await daemon.cli("pack", "rollback", "core", "current")).stderr).toContain("attune pack eject core");

  const back = await daemon.cli("pack", "rollback", "p", "1.0.0");
  expect(back.stderr).toBe("");
  expect(back.stdout).toBe(
    `~ actions/a.sh\n~ actions/a.yaml\n- lib/new.bin\n+ lib/old.txt\n~ pack.yaml\np is at 1.0.0 (${first?.snapshot.slice(0, 12)}) again\n`,
  );
  expect(await says()).toBe("one");
  expect(await label()).toBe("first");
  expect(readFileSync(file("actions/a.sh"), "utf8")).toBe("#!/bin/sh\necho one\n");
  expect(statSync(file("actions/a.sh")).mode & 0o777).toBe(0o755);
  expect(existsSync(file("lib/new.bin"))).toBe(false);
  expect(readFileSync(file(".git/HEAD"), "utf8")).toBe("ref\n");
  expect((await daemon.cli("pack", "rollback", "p", "1.0.0")).stdout).toContain("already");

  await daemon.stop();
  await daemon.restart();
  expect(await says()).toBe("one");
  expect((await daemon.cli("pack", "rollback", "p", "2.0.0")).code).toBe(0);
  expect(await says()).toBe("two");
});
