import assert from "node:assert/strict";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { baseEnvironment, withLaunchEnvironment } from "../../core/environment.ts";
import type { JsonObject, Launch, RuntimePlugin } from "../../core/plugin.ts";
import { type Child, startChild } from "../../core/processes/child.ts";
import { type Case, makeCase, type Trial } from "./case.ts";
import { temporaryDirectory } from "./opened.ts";
import { assertProgram, launchOf, sampleTarget } from "./runtime.ts";

/** Milliseconds between SIGTERM and SIGKILL. */
const grace = 1_000;

/** What shows only when something is started. */
export function processCases(plugin: RuntimePlugin, script: string | undefined): readonly Case[] {
  return [
    makeCase(
      {
        name: "the program of a launch is there",
        member: "launch",
        hint: "argv[0] is an absolute path, a program on the PATH, or the entrypoint; add a probe, so that a missing one is told in time",
      },
      async (trial) => {
        const target = await sampleTarget(plugin, trial);
        const [program] = (await launchOf(plugin, target, trial)).argv;
        if (program === target.entrypoint) return;
        const found = path.isAbsolute(program) ? program : Bun.which(program);
        assert(found, `there is no ${program} on the PATH`);
        assertProgram(found);
      },
    ),

    makeCase(
      {
        name: "what a launch starts ends, all of it, when its process group is signalled",
        member: "launch",
        hint: "start the interpreter itself: no setsid, nohup or daemon in between, since what they start escapes",
      },
      async (trial) => {
        await using pack = await temporaryDirectory();
        const entrypoint = path.join(pack.path, `waiting${plugin.extensions?.[0] ?? ""}`);
        const launch = await launchOf(
          plugin,
          await sampleTarget(plugin, trial, { entrypoint, pack: { ref: "contract", dir: pack.path } }),
          trial,
        );
        await writeWaiting(entrypoint, launch.argv[0] === entrypoint, trial);
        await using run = start(launch, pack.path, {});
        // It waits for its script. One that gives up on such a file by itself has ended, which is as well.
        const rests = restOf(run);
        await trial.until("the program to wait for its script", rests);
        await trial.settled("the process to end after SIGTERM and SIGKILL", run.child.stop(grace));
        const left = await processesOf(run.id);
        for (const { pid } of left) process.kill(pid, "SIGKILL");
        assert(left.length === 0, "something that it started was still there when its process group had been killed");
      },
    ),

    ...(script === undefined ? [] : scriptCases(plugin, script)),
  ];
}

function scriptCases(plugin: RuntimePlugin, script: string): readonly Case[] {
  const run = async (trial: Trial, parameters: JsonObject) => {
    await using pack = await temporaryDirectory();
    const entrypoint = path.join(pack.path, "actions", path.basename(script));
    await mkdir(path.dirname(entrypoint));
    await copyFile(script, entrypoint);
    const target = await sampleTarget(plugin, trial, { entrypoint, pack: { ref: "contract", dir: pack.path } });
    await using started = start(await launchOf(plugin, target, trial), pack.path, parameters);
    const exit = await trial.settled("the script to end", started.child.exited);
    return { exit, ...started.output() };
  };
  return [
    makeCase(
      {
        name: "the script runs, and gets its parameters",
        member: "launch",
        hint: "the script prints the parameter message, which comes as JSON on stdin and as ATTUNE_ACTION_MESSAGE, and ends with exit code 0",
      },
      async (trial) => {
        const message = `hello-${crypto.randomUUID()}`;
        const { exit, stdout, stderr } = await run(trial, { message, exit_code: 0 });
        assert(exit.code === 0, `the script ended with ${exit.code ?? exit.signal} instead of exit code 0${said(stderr)}`);
        assert(stdout.includes(message), `the script did not print its parameter message${said(stdout + stderr)}`);
      },
    ),
    makeCase(
      {
        name: "the script's exit code is seen",
        member: "launch",
        hint: "the script ends with the exit code of its parameter exit_code (ATTUNE_ACTION_EXIT_CODE), and what argv starts passes it on",
      },
      async (trial) => {
        const { exit, stderr } = await run(trial, { message: "hello", exit_code: 7 });
        assert(exit.code === 7, `the script ended with ${exit.code ?? exit.signal} instead of exit code 7${said(stderr)}`);
      },
    ),
  ];
}

function said(output: string): string {
  return output.trim() === "" ? "" : `; it said: ${output.trim().slice(0, 500)}`;
}

interface Started extends AsyncDisposable {
  readonly id: string;
  readonly child: Child;
  ended(): boolean;
  output(): { readonly stdout: string; readonly stderr: string };
}

/** Starts a launch as the daemon starts an action, with a mark in the environment by which all that comes of it is found. */
function start(launch: Launch, packDir: string, parameters: JsonObject): Started {
  const id = crypto.randomUUID();
  const printed = { stdout: "", stderr: "" };
  const keep = (stream: "stdout" | "stderr") => (chunk: Uint8Array) => {
    printed[stream] = (printed[stream] + new TextDecoder().decode(chunk)).slice(-64 * 1024);
  };
  const variables = Object.entries(parameters).map(([name, value]) => [`ATTUNE_ACTION_${name.toUpperCase()}`, String(value)]);
  const child = startChild({
    argv: launch.argv,
    cwd: launch.cwd ?? packDir,
    packDir,
    env: {
      ...withLaunchEnvironment(baseEnvironment(process.env, []), launch.env),
      ...Object.fromEntries(variables),
      ATTUNE_EXEC_ID: id,
      ATTUNE_ACTION: "contract.sample",
      ATTUNE_PACK_REF: "contract",
    },
    stdin: { text: launch.stdin ?? `${JSON.stringify(parameters)}\n` },
    onStdout: keep("stdout"),
    onStderr: keep("stderr"),
  });
  let ended = false;
  void child.exited.then(() => {
    ended = true;
  });
  return {
    id,
    child,
    ended: () => ended,
    output: () => printed,
    async [Symbol.asyncDispose]() {
      child.signal("SIGKILL");
      await child.exited;
    },
  };
}

/** A script that takes for ever in any language: a pipe that nobody writes to. A file that is executed itself sleeps. */
async function writeWaiting(file: string, executed: boolean, trial: Trial): Promise<void> {
  if (executed) {
    await writeFile(file, "#!/bin/sh\nexec sleep 3600\n", { mode: 0o755 });
    return;
  }
  const made = startChild({
    argv: ["mkfifo", file],
    cwd: "/",
    packDir: "/",
    env: baseEnvironment(process.env, []),
    stdin: "none",
    onStdout: () => {},
    onStderr: () => {},
  });
  await trial.settled("mkfifo to end", made.exited);
}

/** Looks that have to show the same before a run counts as resting: what it starts on its way takes a moment each. */
const sameLooks = 10;

/** Tells, asked again and again, whether all processes of a run wait for something and no new ones come, or it has ended. */
function restOf(run: Started): () => Promise<boolean> {
  let before = "";
  let same = 0;
  return async () => {
    if (run.ended()) return true;
    const processes = await processesOf(run.id);
    const now = JSON.stringify(processes);
    same = processes.length > 0 && processes.every(({ sleeping }) => sleeping) && now === before ? same + 1 : 0;
    before = now;
    return same >= sameLooks;
  };
}

interface Marked {
  readonly pid: number;
  readonly sleeping: boolean;
  /** In clock ticks. */
  readonly cpuTime: number;
}

/** Processes that inherited the mark of a run. Those of other users can't be looked at. */
async function processesOf(id: string): Promise<Marked[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const marked = await Promise.all(
    pids.map(async (pid) => {
      // A process that is gone by now has no files any more.
      const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
      if (!environment.includes(`ATTUNE_EXEC_ID=${id}`)) return [];
      const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return [{ pid: Number(pid), sleeping: fields[0] === "S", cpuTime: Number(fields[11]) + Number(fields[12]) }];
    }),
  );
  return marked.flat();
}
