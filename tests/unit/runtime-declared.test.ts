import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { LaunchTarget } from "../../src/core/plugin.ts";
import { startTicksOf } from "../../src/core/processes/child.ts";
import { runtimeFromDefinition } from "../../src/core/runtimes/declared.ts";
import { scanFiles } from "../support/pack-scans.ts";
import { tempDir } from "../support/packs.ts";
import { until } from "../support/until.ts";

const temp = tempDir("declared");
afterAll(() => temp[Symbol.dispose]());
const bin = `${temp.path}/bin`;
mkdirSync(bin);
let count = 0;

/** A program on the PATH of these tests. */
function program(name: string, script: string): string {
  writeFileSync(`${bin}/${name}`, `#!/bin/sh\n${script}\n`);
  chmodSync(`${bin}/${name}`, 0o755);
  return `${bin}/${name}`;
}

const base = { PATH: `${bin}:/usr/bin:/bin`, KEPT: "/kept" };

/** The runtime that `runtimes/r.yaml` with this text declares, and what was warned of. */
async function declared(yaml: string, ask = true) {
  const scanned = await scanFiles(`${temp.path}/${count++}`, { "runtimes/r.yaml": `ref: p.r\n${yaml}` });
  const definition = scanned.runtimes.get("p.r");
  if (!definition) throw new Error(scanned.problems.map((problem) => problem.message).join("\n"));
  const warnings: string[] = [];
  const runtime = await runtimeFromDefinition(definition, { env: base, ask, warn: (message) => warnings.push(message) });
  return { runtime, warnings, problems: scanned.problems };
}

const target: LaunchTarget = {
  kind: "action",
  ref: "p.a",
  entrypoint: "/p/actions/a.x",
  inline: false,
  pack: { ref: "p", dir: "/p" },
  interpreter: {},
  environment: null,
};
const settings = { installer: "auto", index: null, findLinks: [], offline: false, npmRegistry: null } as const;

describe("interpreter", () => {
  test("is looked up, and starts the file with its arguments", async () => {
    const sh = program("rsh", 'exec sh "$@"');
    const { runtime } = await declared("execution_config: {interpreter: {binary: rsh, args: [-e, 5], file_extension: .x}}");
    expect(runtime).toMatchObject({ extensions: [".x"], state: { available: true, interpreters: [{ path: sh }] } });
    expect(await runtime.launch({ ...target, interpreter: { path: sh } })).toEqual({
      argv: [sh, "-e", "5", "/p/actions/a.x"],
      env: {},
    });
    const missing = await declared("execution_config: {interpreter: {binary: no-such-interpreter}}");
    expect(missing.runtime.state).toEqual({ available: false, reason: "no-such-interpreter is not on the PATH" });
  });

  test.each(["", "execution_config: {}", "execution_config: {interpreter: {binary: ''}}", "execution_config: {interpreter: }"])(
    "that is not named makes the file itself the program: %p",
    async (yaml) => {
      const { runtime, problems } = await declared(yaml);
      expect(problems).toEqual([]);
      expect(runtime.state).toEqual({ available: true, interpreters: [{}] });
      expect(await runtime.launch(target)).toEqual({ argv: ["/p/actions/a.x"], env: {} });
    },
  );
});

describe("verification", () => {
  const verified = (commands: string, more = "") =>
    declared(`execution_config: {interpreter: {binary: r}}
distributions:
  verification: {commands: [${commands}]}
${more}`);
  const state = async (commands: string, more?: string) => (await verified(commands, more)).runtime.state;

  test("takes the version from the pattern's group, else from the first number", async () => {
    const path = program("r", "echo 'r 2 release 5.36.1-beta (2024)'; echo more >&2");
    const found = (version: string) => ({ available: true, interpreters: [{ path, version }] }) as const;
    expect(await state('{binary: r, pattern: "release ([0-9.]+)"}')).toEqual(found("5.36.1"));
    expect(await state('{binary: r, pattern: "release [0-9.]+"}')).toEqual(found("5.36.1"));
    expect(await state("{binary: r}")).toEqual(found("2"));
    expect(await state('{binary: r, pattern: "more"}')).toEqual(found("2"));
  });

  test("says why it fails", async () => {
    program("r", "echo r 1.0; exit 3");
    const reason = async (commands: string, more?: string) => {
      const found = await state(commands, more);
      return found.available ? null : found.reason;
    };
    expect(await reason("{binary: r, args: [-v]}")).toBe("r -v ended with exit code 3, not 0");
    expect(await reason("{binary: r, exit_code: 3}")).toBeNull();
    expect(await reason("{binary: r, exit_code: 3, pattern: '^s'}")).toBe("the output of r does not match ^s");
    expect(await reason("{binary: nowhere}")).toBe("nowhere is not on the PATH");
    expect(await reason("{binary: r, exit_code: 3}", '  min_version: "1.1"')).toBe(
      "version 1.0 is older than 1.1, the oldest that will do",
    );
    program("r", "kill -9 $$");
    expect(await reason("{binary: r}")).toContain("SIGKILL");
    program("r", "yes");
    expect(await reason("{binary: r}")).toBe(`${bin}/r answered with more than 64 KiB`);
  });

  test("tries by priority until one succeeds; those that are optional can't fail it", async () => {
    const path = program("r", 'echo "r $1"');
    const version = { available: true, interpreters: [{ path, version: "1.0" }] } as const;
    const later = '{binary: r, args: ["2.0"], priority: 3}';
    expect(await state(`${later}, {binary: r, args: ["1.0"], priority: 2}, {binary: gone, priority: 1}`)).toEqual(version);
    expect(await state("{binary: gone, optional: true}")).toEqual({ available: true, interpreters: [{ path }] });
    expect(await state("{binary: gone, optional: true}, {binary: lost}")).toEqual({
      available: false,
      reason: "lost is not on the PATH",
    });
  });

  test("runs no command when told so, or when the operator vouches for the runtime", async () => {
    const path = program("r", `echo run >> ${bin}/ran; echo r 1.0`);
    const unasked = { available: true, interpreters: [{ path }] } as const;
    const yaml = (flag: string) => `execution_config: {interpreter: {binary: r}}
distributions: {verification: {${flag} commands: [{binary: r}]}}`;
    expect((await declared(yaml("always_available: true,"))).runtime.state).toEqual(unasked);
    expect((await declared(yaml("check_required: false,"))).runtime.state).toEqual(unasked);
    expect((await declared(yaml(""), false)).runtime.state).toEqual(unasked);
    expect(await Bun.file(`${bin}/ran`).exists()).toBe(false);
    await declared(yaml(""));
    expect(await Bun.file(`${bin}/ran`).exists()).toBe(true);
  });

  test("warns of a version below the recommended one", async () => {
    program("r", "echo 1.4");
    const { runtime, warnings } = await verified("{binary: r}", '  recommended_version: "2.0"');
    expect(runtime.state.available).toBe(true);
    expect(warnings).toEqual(["version 1.4 is older than 2.0, which is recommended"]);
  });

  test("sees the environment of scripts and nothing else of the daemon's, and ends what it starts", async () => {
    program("r", '[ -z "$ATTUNE_TEST_SECRET" ] || exit 1; [ "$KEPT" = /kept ] || exit 2; sleep 60 & echo $! >"$0.pid"; echo 1.0');
    process.env["ATTUNE_TEST_SECRET"] = "x";
    try {
      expect((await state("{binary: r}")).available).toBe(true);
      const pid = Number(readFileSync(`${bin}/r.pid`, "utf8"));
      await until("what it left behind is gone", () => startTicksOf(pid) === null);
    } finally {
      delete process.env["ATTUNE_TEST_SECRET"];
    }
  });
});

describe("versions", () => {
  const yaml = `execution_config: {interpreter: {binary: v2, args: [own]}}
distributions: {verification: {commands: [{binary: v2}]}}
versions:
  - version: "1"
    execution_config: {interpreter: {binary: v1, args: [one]}, env_vars: {V: "1"}}
    distributions: {verification: {commands: [{binary: v1}]}}
  - version: "2"
    distributions: {verification: {commands: [{binary: v2}]}}
  - version: "3"
    is_default: true
    execution_config: {interpreter: {binary: v3}}
    distributions: {verification: {commands: [{binary: v3}]}}
  - version: "4"
    execution_config: {interpreter: {binary: v4}}
`;

  test("those that are there, the default first, each with its own way to start", async () => {
    const [v1, v2] = [program("v1", "echo 1.9.1"), program("v2", "echo 2.0.3")];
    const without = await declared(yaml);
    expect(without.runtime.state).toEqual({
      available: true,
      interpreters: [
        { path: v2, version: "2.0.3" },
        { path: v1, version: "1.9.1" },
      ],
    });
    const v3 = program("v3", "echo 3.1");
    const { runtime } = await declared(yaml);
    const { state } = runtime;
    if (!state.available) throw new Error(state.reason);
    expect(state.interpreters.map(({ version }) => version)).toEqual(["3.1", "2.0.3", "1.9.1"]);
    const launched = await Promise.all(state.interpreters.map((interpreter) => runtime.launch({ ...target, interpreter })));
    expect(launched).toEqual([
      { argv: [v3, "/p/actions/a.x"], env: {} },
      { argv: [v2, "own", "/p/actions/a.x"], env: {} },
      { argv: [v1, "one", "/p/actions/a.x"], env: { V: "1" } },
    ]);
  });

  test("one that is installed under another's name does not count", async () => {
    program("v1", "echo 2.9.1");
    program("v2", "echo 1.0");
    program("v3", "exit 1");
    const { runtime } = await declared(yaml.replace(/^distributions.*\n/m, ""));
    expect(runtime.state).toEqual({ available: true, interpreters: [{ path: `${bin}/v2` }] });
  });
});

describe("templates", () => {
  const variables = (yaml: string) => declared(`execution_config:\n  interpreter: {binary: sh}\n  env_vars: ${yaml}`);
  const env = async (yaml: string, environment: string | null) =>
    (await (await variables(yaml)).runtime.launch({ ...target, interpreter: { path: "/bin/sh" }, environment })).env;

  test("words are filled in, in arguments and variables", async () => {
    const { runtime } = await declared(
      'execution_config:\n  interpreter: {binary: sh, args: ["-I{pack_dir}/lib", "{env_dir}/x", "{other} {"]}\n' +
        '  env_vars: {A: "{action_file} {interpreter}"}\n',
    );
    const interpreter = { path: "/bin/sh" };
    expect(await runtime.launch({ ...target, interpreter, environment: "/e" })).toEqual({
      argv: ["/bin/sh", "-I/p/lib", "/e/x", "{other} {", "/p/actions/a.x"],
      env: { A: "/p/actions/a.x /bin/sh" },
    });
    expect((await runtime.launch({ ...target, interpreter })).argv).toEqual([
      "/bin/sh",
      "-I/p/lib",
      "{other} {",
      "/p/actions/a.x",
    ]);
  });

  test("operations work on the environment that scripts have", async () => {
    const yaml = '{KEPT: {value: "{pack_dir}", operation: prepend}, NEW: {value: x, operation: append}, NUMBER: 1}';
    expect(await env(yaml, null)).toEqual({ KEPT: "/p:/kept", NEW: "x", NUMBER: "1" });
    expect(await env('{KEPT: {value: x, operation: append, separator: ";"}}', null)).toEqual({ KEPT: "/kept;x" });
    expect(await env("{KEPT: x}", null)).toEqual({ KEPT: "x" });
    expect(await env('{KEPT: ""}', null)).toEqual({ KEPT: "" });
  });

  test("without an environment what names it is left out", async () => {
    const yaml = '{ONLY: "{env_dir}/lib", LIST: "{env_dir}/lib:{pack_dir}/lib", KEPT: {value: "{env_dir}", operation: prepend}}';
    expect(await env(yaml, null)).toEqual({ LIST: "/p/lib" });
    expect(await env(yaml, "/e")).toEqual({ ONLY: "/e/lib", LIST: "/e/lib:/p/lib", KEPT: "/e:/kept" });
  });
});

describe("environments", () => {
  const yaml = `execution_config:
  interpreter: {binary: sh}
  environment:
    env_type: virtualenv
    dir_name: .venv
    create_command: [make-env, "{interpreter}", "{env_dir}"]
    interpreter_path: "{env_dir}/bin/sh"
  dependencies:
    manifest_file: needs.txt
    install_command: ["{interpreter}", install, "{manifest_path}"]
  env_vars: {LIB: "{env_dir}/lib"}
`;
  const made = { pack: { ref: "p", dir: "/p" }, interpreter: { path: "/bin/sh" }, dir: "/e", settings, manifests: ["needs.txt"] };

  test("are made by the commands, the packages installed by the environment's own program", async () => {
    const { runtime } = await declared(yaml);
    expect(runtime.environment?.manifests).toEqual(["needs.txt"]);
    expect(await runtime.environment?.create(made)).toEqual([
      { argv: ["make-env", "/bin/sh", "/e"], env: { LIB: "/e/lib" } },
      { argv: ["/e/bin/sh", "install", "/p/needs.txt"], env: { LIB: "/e/lib" } },
    ]);
    const configured = { ...settings, index: "https://i", findLinks: ["/a", "/b"], offline: true };
    const [step] = (await runtime.environment?.create({ ...made, settings: configured })) ?? [];
    expect(step?.env).toMatchObject({ PIP_INDEX_URL: "https://i", PIP_FIND_LINKS: "/a /b", PIP_NO_INDEX: "1" });
  });

  test("give scripts their program", async () => {
    const { runtime } = await declared(yaml);
    const interpreter = { path: "/bin/sh" };
    expect((await runtime.launch({ ...target, interpreter, environment: "/e" })).argv).toEqual(["/e/bin/sh", "/p/actions/a.x"]);
    expect((await runtime.launch({ ...target, interpreter })).argv).toEqual(["/bin/sh", "/p/actions/a.x"]);
  });

  test("are for every pack when no manifest is named, and for none of type none", async () => {
    const always = await declared(yaml.replace(/ {2}dependencies:\n.*\n.*\n/, ""));
    expect(always.runtime.environment?.manifests).toEqual([]);
    expect(await always.runtime.environment?.create({ ...made, manifests: [] })).toHaveLength(1);
    expect((await declared(yaml.replace("virtualenv", "none"))).runtime.environment).toBeNull();
  });
});
