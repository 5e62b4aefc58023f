import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadAssets } from "../../assets.ts";
import * as host from "../../sdk/host.ts";
import { unpackBuiltin } from "../builtin.ts";
import type { Settings } from "../config.ts";
import { openPackConfigs, type PackConfigs } from "../engine/pack-configs.ts";
import { baseEnvironment, type Environment } from "../environment.ts";
import { createOutputBuffer, type OutputBuffer } from "../executions/output.ts";
import { runAction } from "../executions/run.ts";
import type { FinishedExecution } from "../executions/store.ts";
import type { HookRunner } from "../hooks.ts";
import { newId } from "../ids.ts";
import { loadSettings } from "../load-settings.ts";
import { silentLogger } from "../log.ts";
import { provideSdk } from "../modules.ts";
import { noConfig, type PackConfig } from "../pack-config.ts";
import { openSnapshots } from "../packs/snapshots/snapshots.ts";
import { relocated } from "../packs/versions/versions.ts";
import type { JsonObject, Logger, Sql } from "../plugin.ts";
import { startChild } from "../processes/child.ts";
import type { Action } from "../registry.ts";
import { removeTree } from "../remove-tree.ts";
import { runtimeLimits } from "../runtimes/limits.ts";
import { type Usable, usable } from "../runtimes/runtimes.ts";
import { createRuntimeSet } from "../runtimes/set.ts";
import { compileSchema } from "../schema/schema.ts";
import { createScope } from "../scope.ts";
import { createSeal } from "../seal.ts";
import { createOfflineEnvironments } from "./offline-environments.ts";
import { openOfflinePlugins } from "./offline-plugins.ts";
import { loadPacks, type OfflinePacks } from "./offline-registry.ts";

export interface WorkbenchOptions {
  /** Directories of packs. */
  readonly packs: readonly string[];
  /** The config file, when one was named. Otherwise it is found as the daemon finds it. */
  readonly config: string | undefined;
  readonly cwd: string;
  readonly env: Environment;
  /** Whether packs are configured as in this project, or have their own defaults only. */
  readonly configured: boolean;
  /** Told what is wrong with the project's plugins. */
  readonly log: Logger;
  /** Told when packages are installed for a pack, which may take minutes, and when they are there. */
  readonly installing?: (line: string) => void;
  /** Ends what runs when it is aborted. */
  readonly signal: AbortSignal;
}

export interface RunRequest {
  /** Checked already. */
  readonly parameters: JsonObject;
  /** Seconds; null: what the action states, else the daemon's default. */
  readonly timeout: number | null;
  /** Added to the clean environment of its processes. */
  readonly env: Readonly<Record<string, string>>;
  /** In place of the runtime that the action names. */
  readonly usable?: Usable;
  /** Told of the streams before anything is printed. */
  readonly streams?: (streams: { readonly stdout: OutputBuffer; readonly stderr: OutputBuffer }) => void;
}

/** Packs and what it takes to run their actions and judge their rules as the daemon does, with no daemon and no database. */
export interface Workbench extends OfflinePacks, AsyncDisposable {
  /** The action as it lies in a copy of its pack, which is what the daemon runs. */
  copied(action: Action): Promise<Action>;
  /** Resolves when it has ended, whatever came of it. */
  run(action: Action, request: RunRequest): Promise<FinishedExecution>;
  /** The parameters with defaults. Throws PARAMETERS_INVALID. */
  checkParameters(action: Action, values: JsonObject): JsonObject;
  packConfig(pack: string): Pick<PackConfig, "values" | "shown">;
}

/** Reads the packs, and the configuration in force for its limits and runtimes. Throws CONFIG_INVALID. */
export async function openWorkbench(options: WorkbenchOptions): Promise<Workbench> {
  const { cwd, env, signal } = options;
  provideSdk(host, () => import("../../sdk/testing/index.ts"));
  const settings = await loadSettings({ explicit: options.config, cwd, env });
  const dir = mkdtempSync(path.join(tmpdir(), "attune-workbench-"));
  const scope = createScope("workbench", options.log);
  scope.defer(() => removeTree(dir));
  try {
    const base = baseEnvironment(env, settings.passEnvironment);
    const { corePack, preload } = await unpackBuiltin(loadAssets(), dir);
    const { runtimes, hooks } = await openOfflinePlugins({ settings, dir, preload, env, scope, log: options.log });
    const packs = await loadPacks(options.packs, {
      corePack,
      runtimes,
      runtimeSet: createRuntimeSet({
        env: base,
        limits: runtimeLimits(settings.runtimes, env),
        log: silentLogger,
      }),
    });
    const configs = await openPackConfigs({
      storage: nothingSet,
      seal: createSeal(""),
      dir: path.join(dir, "configuration"),
      fromFile: (pack) => (options.configured && settings.packs.byPack.get(pack)?.config) || {},
      log: silentLogger,
    });
    const { installing = () => {} } = options;
    const runner = createRunner(packs, { settings, dir, base, signal, configs, hooks, installing });
    return { ...packs, ...runner, [Symbol.asyncDispose]: () => scope.end() };
  } catch (thrown) {
    await scope.end();
    throw thrown;
  }
}

function createRunner(
  { registry }: OfflinePacks,
  surroundings: {
    settings: Settings;
    dir: string;
    /** What every process gets. */
    base: Readonly<Record<string, string>>;
    signal: AbortSignal;
    configs: PackConfigs;
    hooks: HookRunner;
    installing: (line: string) => void;
  },
): Omit<Workbench, keyof OfflinePacks | typeof Symbol.asyncDispose> {
  const { settings, dir, base, signal, configs, hooks, installing } = surroundings;
  const snapshots = openSnapshots(dir);
  const copies = new Map<string, Promise<string>>();
  const environments = createOfflineEnvironments({ settings, dir, environment: base, installing });

  const variablesOf = (ref: string) => {
    const pack = registry.packs.get(ref);
    return { ...base, ATTUNE_LOG_LEVEL: "info", ...(pack && configs.environment(pack)) };
  };

  function copyOf(packDir: string): Promise<string> {
    const known = copies.get(packDir) ?? snapshots.take(packDir).then((snapshot) => snapshot.dir);
    copies.set(packDir, known);
    return known;
  }

  return {
    copied: async (action) => relocated(action, await copyOf(action.dir)),
    async run(action, request) {
      signal.throwIfAborted();
      const stdout = createOutputBuffer(settings.limits.output);
      const stderr = createOutputBuffer(settings.limits.output);
      request.streams?.({ stdout, stderr });
      const ownLimit = settings.packs.byPack.get(action.pack)?.maxActionTimeout ?? Number.POSITIVE_INFINITY;
      const started = runAction(
        {
          start: startChild,
          filterLaunch: (launch, target) => hooks.filter("process:launch", launch, target),
          environment: (pack) => ({ ...variablesOf(pack), ...request.env }),
          // What lies beside a file that is in no pack says nothing about the file.
          packEnvironment: ({ pack, dir: packDir }, { runtime, interpreter }, ended) =>
            registry.packs.has(pack) ? environments.require({ pack, packDir, runtime, interpreter }, ended) : null,
          tempDir: dir,
          grace: settings.limits.grace * 1_000,
        },
        {
          execution: {
            id: newId(),
            action: action.ref,
            rule: null,
            event: null,
            trigger: null,
            parameters: request.parameters,
            attempt: 1,
            snapshot: null,
          },
          action,
          usable: request.usable ?? usable(registry, action),
          timeout: Math.min(request.timeout ?? action.timeout ?? settings.limits.actionTimeout, ownLimit),
          warm: false,
          stdout,
          stderr,
        },
      );
      const end = () => started.end("cancelled", "interrupted");
      signal.addEventListener("abort", end);
      try {
        return await started.finished;
      } finally {
        signal.removeEventListener("abort", end);
        signal.throwIfAborted();
      }
    },
    checkParameters: (action, values) => compileSchema(action.parameters).check(values),
    packConfig(ref) {
      const pack = registry.packs.get(ref);
      return pack ? configs.of(pack) : noConfig;
    },
  };
}

/** Where no operator has set anything. */
const nothingSet: Sql = { query: async () => ({ rows: [], rowCount: 0 }) };
