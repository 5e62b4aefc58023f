import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sdkTypes } from "../../scripts/sdk-types.ts";
import { makeProject, type Project } from "../support/project.ts";
import { repository } from "../support/script.ts";

setDefaultTimeout(60_000);

let project: Project;
beforeAll(() => {
  project = makeProject();
});
afterAll(() => project[Symbol.asyncDispose]());

// A storage is tried against PostgreSQL, in tests/contract/plugin-files.test.ts.
for (const [kind, name] of [
  ["runtime", "perl"],
  ["hooks", "my_hooks"],
  ["transport", "my-transport"],
] as const) {
  test(`a new plugin of kind ${kind} passes the check of its kind as it is`, async () => {
    const created = (await project.cli("plugin", "create", name, "--kind", kind, "-o", "json")).json<{ file: string }>();
    const { code, stdout, stderr } = await project.cli("plugin", "check", created.file);
    expect([code, stderr]).toEqual([0, kind === "runtime" ? "no script was run: --script FILE runs one\n" : ""]);
    expect(stdout).toMatch(new RegExp(`is a ${kind} plugin: (\\d+) of \\1 ok\n$`));
  });
}

test("a runtime of attune's own is not shadowed by a new plugin", async () => {
  const { code, stderr } = await project.cli("plugin", "create", "sh", "--kind", "runtime");
  expect([code, stderr]).toEqual([
    1,
    "error: attune has a runtime sh of its own, which stays in use\nhint: nothing was written; choose another name\n",
  ]);
});

test("the types in the binary are those of the sources", async () => {
  expect((await project.cli("init")).code).toBe(0);
  expect(readFileSync(join(project.dir, "plugins/attune.d.ts"), "utf8")).toBe(sdkTypes(repository));
});
