import assert from "node:assert/strict";
import { accessSync, constants, statSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { launchMistake } from "../../core/launch.ts";
import type { EnvironmentTarget, Interpreter, LaunchTarget, RuntimePlugin } from "../../core/plugin.ts";
import { silentLogger } from "../../core/silent-logger.ts";
import { type Case, makeCase, type Trial } from "./case.ts";
import { temporaryDirectory } from "./opened.ts";
import { processCases } from "./runtime-process.ts";

export interface RuntimeOptions {
  /**
   * A script in the runtime's language, to be really run. It gets the parameters `message` (text) and `exit_code` (a number) as
   * every action does - as JSON on standard input, and as ATTUNE_ACTION_MESSAGE and ATTUNE_ACTION_EXIT_CODE -, prints the
   * message and ends with that exit code.
   */
  readonly script?: string;
}

/** What every runtime promises. Its programs are started, in groups of their own, and end with the case. */
export function runtimeContract(plugin: RuntimePlugin, options: RuntimeOptions = {}): readonly Case[] {
  const launches = (kind: LaunchTarget["kind"]) =>
    makeCase(
      {
        name: `launch says how to start ${kind === "action" ? "an action" : "a sensor"}`,
        member: "launch",
        hint: "return { argv: [program, ...arguments], env?, cwd?, stdin? }, for example { argv: [interpreter.path, entrypoint] }",
      },
      async (trial) => void (await launchOf(plugin, await sampleTarget(plugin, trial, { kind }), trial)),
    );

  return [
    ...(plugin.probe ? [probeCase(plugin)] : []),
    launches("action"),
    launches("sensor"),
    makeCase(
      { name: "launch does not change its target", member: "launch", hint: "make new objects instead of changing those given" },
      async (trial) => {
        const target = await sampleTarget(plugin, trial);
        const before = structuredClone(target);
        await trial.settled("launch to settle", plugin.launch(target));
        assert(isDeepStrictEqual(target, before), "launch changed the target it was given");
      },
    ),
    makeCase(
      {
        name: "launch is quick",
        member: "launch",
        hint: "it is called for each execution, inside the daemon: look for programs in probe, and read them from target.interpreter",
      },
      async (trial) => {
        const target = await sampleTarget(plugin, trial);
        let best = Number.POSITIVE_INFINITY;
        for (let call = 0; call < 10; call++) {
          const began = performance.now();
          await trial.settled("launch to settle", plugin.launch(target));
          best = Math.min(best, performance.now() - began);
        }
        assert(best < 20, `the quickest of 10 calls took ${best.toFixed(0)} ms; 20 are the most`);
      },
    ),
    ...(plugin.environment ? [environmentCase(plugin, plugin.environment.create)] : []),
    ...processCases(plugin, options.script),
  ];
}

/** The launch of a target, checked as the daemon checks it. */
export async function launchOf(plugin: RuntimePlugin, target: LaunchTarget, trial: Trial) {
  const launch = await trial.settled("launch to settle", plugin.launch(target));
  const mistake = launchMistake(launch);
  assert(mistake === null, `launch gave something that ${mistake}`);
  return launch;
}

/** What the daemon asks `launch` for; without an entrypoint it is one that is not there. */
export async function sampleTarget(
  plugin: RuntimePlugin,
  trial: Trial,
  changes: Partial<LaunchTarget> = {},
): Promise<LaunchTarget> {
  const dir = changes.pack?.dir ?? "/nonexistent/contract";
  return {
    kind: "action",
    ref: "contract.sample",
    entrypoint: path.join(dir, `actions/sample${plugin.extensions?.[0] ?? ""}`),
    inline: false,
    pack: { ref: "contract", dir },
    interpreter: (await interpretersOf(plugin, trial))[0] ?? {},
    environment: null,
    ...changes,
  };
}

async function interpretersOf(plugin: RuntimePlugin, trial: Trial): Promise<readonly Interpreter[]> {
  if (!plugin.probe) return [{}];
  const found = await trial.settled("probe to settle", plugin.probe({ log: silentLogger, signal: trial.signal }));
  return Array.isArray(found) ? found : [found as Interpreter];
}

function probeCase(plugin: RuntimePlugin): Case {
  return makeCase(
    {
      name: "probe finds the interpreter, with absolute paths of programs that are there",
      member: "probe",
      hint: "return { path, version } or a list of them; throw only when the interpreter is not installed, and install it for this check",
    },
    async (trial) => {
      const found = await interpretersOf(plugin, trial);
      assert(found.length > 0, "probe gave an empty list");
      for (const interpreter of found) {
        assert(
          typeof interpreter === "object" && interpreter !== null,
          "probe gave something that is no object with path and version",
        );
        const { path: program, version } = interpreter;
        assert(version === undefined || typeof version === "string", "probe gave a version that is no text");
        if (program === undefined) continue;
        assert(typeof program === "string" && path.isAbsolute(program), `probe gave the path ${program}, which is not absolute`);
        assertProgram(program);
      }
    },
  );
}

function environmentCase(plugin: RuntimePlugin, create: NonNullable<RuntimePlugin["environment"]>["create"]): Case {
  return makeCase(
    {
      name: "environment.create gives the commands that make an environment",
      member: "environment",
      hint: "return a list of { argv: [program, ...arguments], env? }",
    },
    async (trial) => {
      await using directory = await temporaryDirectory();
      const manifests = plugin.environment?.manifests ?? [];
      const pack = path.join(directory.path, "pack");
      const dir = path.join(directory.path, "environment");
      await Promise.all([mkdir(pack), mkdir(dir)]);
      // As little as such a file can say.
      for (const name of manifests) await writeFile(path.join(pack, name), name.endsWith(".json") ? "{}\n" : "");
      const target: EnvironmentTarget = {
        pack: { ref: "contract", dir: pack },
        manifests,
        interpreter: (await interpretersOf(plugin, trial))[0] ?? {},
        dir,
        settings: { installer: "auto", index: null, findLinks: [], offline: false, npmRegistry: null },
      };
      const steps = await trial.settled("environment.create to settle", create(target));
      assert(Array.isArray(steps), "environment.create gave no list");
      for (const [index, step] of steps.entries()) {
        const mistake = launchMistake(step);
        assert(mistake === null, `step ${index + 1} of environment.create ${mistake}`);
      }
    },
  );
}

/** Throws when there is no executable file of that absolute path. */
export function assertProgram(program: string): void {
  const stat = statSync(program, { throwIfNoEntry: false });
  assert(stat, `there is no ${program}`);
  assert(stat.isFile(), `${program} is no file`);
  try {
    accessSync(program, constants.X_OK);
  } catch {
    assert.fail(`${program} is not executable`);
  }
}
