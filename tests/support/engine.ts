import { afterAll, beforeAll } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadAssets } from "../../src/assets.ts";
import type { SensorSurroundings } from "../../src/core/engine/sensors.ts";
import { baseEnvironment } from "../../src/core/environment.ts";
import { checkRule, compileRule } from "../../src/core/events/compile.ts";
import { createEventHandler, type HandlerOptions } from "../../src/core/events/handle.ts";
import { createExecutor, type Executor, type ExecutorOptions } from "../../src/core/executions/executor.ts";
import { type JobQueue, openQueue } from "../../src/core/executions/queue.ts";
import { insertManual } from "../../src/core/executions/store.ts";
import { newId } from "../../src/core/ids.ts";
import { silentLogger } from "../../src/core/log.ts";
import { migrate } from "../../src/core/migrate.ts";
import { noConfig } from "../../src/core/pack-config.ts";
import { createReconciler, type Reconciler, type ReconcilerOptions } from "../../src/core/packs/reload/reconcile.ts";
import { openSnapshots, type Snapshots } from "../../src/core/packs/snapshots/snapshots.ts";
import { createVersions } from "../../src/core/packs/versions/versions.ts";
import type { ChildScope, EventMessage, ExecutionChange, JsonObject, Storage } from "../../src/core/plugin.ts";
import { startChild } from "../../src/core/processes/child.ts";
import type { Runtime } from "../../src/core/registry.ts";
import { unlimited } from "../../src/core/runtimes/limits.ts";
import { builtIn, runtimeFromPlugin } from "../../src/core/runtimes/runtimes.ts";
import { createRuntimeSet } from "../../src/core/runtimes/set.ts";
import { compileSchema } from "../../src/core/schema/schema.ts";
import { createScope } from "../../src/core/scope.ts";
import { builtinRuntimes } from "../../src/plugins/index.ts";
import { postgres } from "../../src/plugins/storage/postgres/index.ts";
import { writePack } from "./packs.ts";
import { startPostgres, type TestPostgres } from "./postgres.ts";
import { removeAll } from "./remove.ts";

/** A migrated database of its own. */
export interface TestDatabase extends AsyncDisposable {
  readonly storage: Storage;
  readonly scope: ChildScope;
  readonly url: string;
}

/** One PostgreSQL for all tests of a file; gives what makes databases in it. */
export function withPostgres(): { readonly server: () => TestPostgres; readonly database: () => Promise<TestDatabase> } {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres({ fsync: false });
  });
  afterAll(() => server.stop());
  return {
    server: () => server,
    async database() {
      const url = await server.createDatabase();
      const scope = createScope("test", silentLogger);
      const storage = await postgres({ url }).open({ scope, log: silentLogger, dataDir: tmpdir(), projectDir: tmpdir() });
      await migrate(storage, loadAssets().migrations, silentLogger);
      return { storage, scope, url, [Symbol.asyncDispose]: () => scope.end() };
    },
  };
}

/** Packs in a directory of their own, kept in a real database. */
export interface TestPacks extends Disposable {
  /** Where the packs lie. */
  readonly dir: string;
  readonly reconciler: Reconciler;
  readonly snapshots: Snapshots;
  /** Writes files, path below the directory of packs to content. */
  write(files: Readonly<Record<string, string>>): void;
}

/** `core` is an empty pack unless the files bring one. */
export async function createPacks(storage: Storage, options: Partial<ReconcilerOptions> = {}): Promise<TestPacks> {
  const root = mkdtempSync(join(tmpdir(), "attune-packs-"));
  const dir = join(root, "packs");
  writePack(join(root, "builtin/core"), { "pack.yaml": 'ref: core\nversion: "1.0.0"\n' });
  const scope = createScope("packs", silentLogger);
  const snapshots = openSnapshots(join(root, "data"));
  const reconciler = createReconciler({
    storage,
    scope,
    snapshots,
    directories: [dir],
    corePack: join(root, "builtin/core"),
    autoLoad: null,
    runtimes: await testRuntimes(),
    runtimeSet: createRuntimeSet({ env: baseEnvironment(process.env, []), limits: unlimited, log: silentLogger }),
    compile: compileRule,
    checkRule,
    published() {},
    log: silentLogger,
    ...options,
  });
  return {
    dir,
    reconciler,
    snapshots,
    write: (files) => void writePack(dir, files),
    [Symbol.dispose]() {
      void scope.end();
      removeAll(root);
    },
  };
}

function testRuntimes(): Promise<Runtime[]> {
  const wanted = builtinRuntimes({ preload: "" }).filter(({ name }) => name === "shell" || name === "native");
  return Promise.all(wanted.map((plugin) => runtimeFromPlugin(plugin, builtIn, silentLogger)));
}

/** A pack `p` with a trigger, a shell action whose text is `script`, and the rules given as YAML below their refs. */
export function smallPack(script: string, rules: Readonly<Record<string, string>> = {}, action = ""): Record<string, string> {
  return {
    "p/pack.yaml": 'ref: p\nversion: "1.0.0"\n',
    "p/triggers/t.yaml": "ref: p.t\n",
    "p/actions/a.yaml": `ref: p.a\nrunner_type: shell\nentry_point: a.sh\n${action}`,
    "p/actions/a.sh": `#!/bin/sh\n${script}\n`,
    ...Object.fromEntries(
      Object.entries(rules).map(([name, text]) => [
        `p/rules/${name}.yaml`,
        `ref: p.${name}\ntrigger_ref: p.t\naction_ref: p.a\n${text}`,
      ]),
    ),
  };
}

/** The executions part of an engine: a queue and an executor that run real scripts. */
export interface TestWork {
  readonly queue: JobQueue;
  readonly executor: Executor;
  readonly changes: ExecutionChange[];
  readonly owner: string;
  /** Stores an execution of `p.a` with its job, as the API does; returns its id. */
  submit(parameters?: JsonObject): Promise<string>;
}

export async function createWork(db: TestDatabase, packs: TestPacks, options: Partial<ExecutorOptions> = {}): Promise<TestWork> {
  const queue = await openQueue(db.storage, db.scope.child("queue"));
  const changes: ExecutionChange[] = [];
  const owner = options.owner ?? crypto.randomUUID();
  const executor = createExecutor({
    storage: db.storage,
    queue,
    registry: () => packs.reconciler.registry,
    version: createVersions(() => packs.reconciler.registry, packs.snapshots),
    run: {
      start: startChild,
      filterLaunch: (launch) => launch,
      environment: () => ({ PATH: "/usr/bin:/bin" }),
      packEnvironment: () => null,
      tempDir: packs.dir,
      grace: 200,
    },
    owner,
    concurrency: 4,
    outputLimit: 100_000,
    timeoutOf: (_pack, stated) => stated ?? 30,
    changed: (change) => void changes.push(change),
    log: silentLogger,
    ...options,
  });
  db.scope.defer(() => executor.stop(0));
  return {
    queue,
    executor,
    changes,
    owner,
    async submit(parameters = {}) {
      const id = newId();
      await db.storage.transaction(async (tx) => {
        await insertManual(tx, { id, action: "p.a", parameters, snapshot: null });
        await queue.enqueue(tx, [{ id, expireInSeconds: 60 }]);
      });
      return id;
    },
  };
}

/** The handler of events on an engine of a queue and an executor, wired as the daemon does. */
export function createHandler(
  db: TestDatabase,
  packs: TestPacks,
  work: Pick<TestWork, "queue" | "executor" | "owner">,
  options: Partial<HandlerOptions> = {},
) {
  return createEventHandler({
    storage: db.storage,
    registry: () => packs.reconciler.registry,
    checkParameters: (action, values) => compileSchema(action.parameters).check(values),
    packConfig: () => noConfig,
    enqueue: (tx, executions) =>
      work.queue.enqueue(
        tx,
        executions.map(({ id, running }) => ({ id, expireInSeconds: 60, running })),
      ),
    owner: work.owner,
    reserve: (executions) => work.executor.reserve(executions.map(({ id }) => id)),
    claim: work.executor.claimWithin,
    accepted() {},
    plan: () => undefined,
    enforced: () => undefined,
    log: silentLogger,
    ...options,
  });
}

/** Packs without configuration. */
export const noSurroundings: SensorSurroundings = {
  configuration: () => "",
  environment: () => ({ status: "ready", dir: null }),
};

/** An event of `p.t` for all of its rules. */
export function eventOf(payload: JsonObject, more: Partial<EventMessage> = {}): EventMessage {
  return { id: newId(), trigger: "p.t", sensor: null, rule: null, at: new Date().toISOString(), payload, ...more };
}
