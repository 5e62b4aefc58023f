import path from "node:path";
import { startApi } from "../../api/server.ts";
import { loadAssets, version } from "../../assets.ts";
import { builtinRuntimes, local, nats, postgres } from "../../plugins/index.ts";
import { createBatcher } from "../batches.ts";
import { unpackBuiltin } from "../builtin.ts";
import type { Settings } from "../config.ts";
import { checkRule, compileRule } from "../events/compile.ts";
import { createEventHandler } from "../events/handle.ts";
import { createIngest } from "../events/ingest.ts";
import { createExecutor } from "../executions/executor.ts";
import { openQueue } from "../executions/queue.ts";
import { createHooks } from "../hooks.ts";
import type { Instance } from "../instance.ts";
import { holdLease } from "../lease.ts";
import { migrate } from "../migrate.ts";
import { noConfig } from "../pack-config.ts";
import { createReconciler } from "../packs/reload/reconcile.ts";
import { openSnapshots } from "../packs/snapshots/snapshots.ts";
import { findVersion } from "../packs/versions/pack-versions.ts";
import { createVersions } from "../packs/versions/versions.ts";
import type { EventMessage, JsonObject, Logger, Scope } from "../plugin.ts";
import type { OnUncaught } from "../plugins/uncaught.ts";
import { createWatchdog } from "../plugins/watchdog.ts";
import type { Action, LoadedPack } from "../registry.ts";
import { runtimeSetOf } from "../runtimes/set.ts";
import { compileSchema } from "../schema/schema.ts";
import { createSeal } from "../seal.ts";
import { actionTimes } from "./action-times.ts";
import { announceExecution, announceReady } from "./announce.ts";
import { createChildren } from "./children.ts";
import { createExecutionWatchers } from "./execution-watchers.ts";
import { followFiles } from "./follow.ts";
import { startPlugins } from "./live-plugins.ts";
import { openPackConfigs } from "./pack-configs.ts";
import { createPackEnvironments } from "./pack-environments.ts";
import { createSnapshotCollector, tellReload } from "./reloads.ts";
import { type SensorSurroundings, wantedSensors } from "./sensors.ts";
import { createServices } from "./services.ts";
import { superviseSensors } from "./supervise-sensors.ts";

/** Milliseconds that running actions get to finish when the daemon stops. */
const drainLimit = 30_000;

export interface EngineContext {
  readonly scope: Scope;
  readonly log: Logger;
  readonly began: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uncaught: OnUncaught;
  /** Ends the daemon because it can't do its work any more. */
  readonly fail: (error: Error) => void;
}

/**
 * Starts everything; the order below is the order of starting. Resolves with the address of the API once events are taken.
 * What it has acquired by then, also when it rejects, ends with the scope.
 */
export async function startEngine(
  settings: Settings,
  instance: Instance,
  { scope, log, began, env, uncaught, fail }: EngineContext,
): Promise<string> {
  const { dataDir } = instance;
  const started = new Date().toISOString();
  const watchdog = createWatchdog(scope);
  const hooks = createHooks(log, undefined, watchdog.calling);
  const open = (name: string) => ({
    scope: scope.child(name),
    log: log.child({ plugin: name }),
    dataDir,
    projectDir: settings.projectDir,
  });

  const assets = loadAssets();
  const builtin = await unpackBuiltin(assets, dataDir);
  const storagePlugin = settings.databaseUrl ? postgres({ url: settings.databaseUrl }) : (settings.storage ?? postgres());
  const transportPlugin = settings.natsUrl ? nats({ url: settings.natsUrl }) : (settings.transport ?? local());
  // Probing starts programs: that goes on while the database comes up.
  const loading = startPlugins({
    settings,
    instance,
    builtin: builtinRuntimes(builtin),
    opened: [storagePlugin, transportPlugin],
    hooks,
    watchdog,
    uncaught,
    scope,
    log,
    env,
  });
  loading.catch(() => {});

  let databaseReachable = true;
  let accepting = false;
  const storage = await storagePlugin.open(open("storage"));
  await migrate(storage, assets.migrations, log);
  await holdLease(storage, scope, {
    owner: instance.owner,
    home: instance.home,
    lost: fail,
    reachable: (is) => {
      databaseReachable = is;
    },
  });
  const transport = await transportPlugin.open(open("transport"));
  const queue = await openQueue(storage, scope.child("queue"));

  // From here to the first reload parts are put together; one that needs a later one reaches it by a function.
  const configs = await openPackConfigs({
    storage,
    seal: createSeal(instance.secretKey),
    dir: path.join(dataDir, "configuration"),
    fromFile: (pack) => settings.packs.byPack.get(pack)?.config ?? {},
    log,
  });
  const withPack = <T>(ref: string, use: (pack: LoadedPack) => T, otherwise: T) => {
    const pack = reconciler.registry.packs.get(ref);
    return pack ? use(pack) : otherwise;
  };
  const children = createChildren({
    settings,
    instance,
    hooks,
    env,
    scope: scope.child("processes"),
    configuration: (pack) => withPack(pack, configs.environment, {}),
  });
  const checkParameters = (action: Action, values: JsonObject) => compileSchema(action.parameters).check(values);
  const { timeoutOf, expireInSeconds } = actionTimes(settings);
  const watchers = createExecutionWatchers();

  const runtimeSet = runtimeSetOf(settings, env, log);
  const snapshots = openSnapshots(dataDir);
  const environments = createPackEnvironments({
    ...{ settings, instance, env, scope, storage, queue, children, snapshots, expireInSeconds, log },
    registry: () => reconciler.registry,
    changed: () => void wantSensors(),
    wake: () => executor.wake(),
  });
  const surroundings: SensorSurroundings = {
    configuration: (pack) => configs.of(pack).revision,
    environment: environments.standing,
  };
  const wantSensors = () => (accepting ? sensors.want(wantedSensors(reconciler.registry, surroundings)) : []);
  const plugins = await loading;
  const reconciler = createReconciler({
    storage,
    directories: settings.packs.directories,
    corePack: builtin.corePack,
    autoLoad: settings.packs.autoLoad,
    runtimes: plugins.runtimes,
    runtimeSet,
    compile: compileRule,
    checkRule,
    scope,
    snapshots,
    log,
    published(registry, reports) {
      environments.serve(registry);
      const restarted = wantSensors();
      for (const report of reports) tellReload({ storage, hooks, log }, report, restarted);
    },
  });
  plugins.serve(reconciler.useRuntimes);

  const executor = createExecutor({
    storage,
    queue,
    registry: () => reconciler.registry,
    version: createVersions(() => reconciler.registry, snapshots),
    run: {
      ...children,
      start: children.startWarm,
      packEnvironment: environments.require,
      tempDir: dataDir,
      grace: settings.limits.grace * 1_000,
    },
    owner: instance.owner,
    concurrency: settings.limits.concurrency,
    outputLimit: settings.limits.output,
    timeoutOf,
    changed(change) {
      watchers.changed(change);
      announceExecution(log, change);
      void hooks.notify("execution:state", change);
    },
    log,
  });

  const handle = createEventHandler({
    storage,
    registry: () => reconciler.registry,
    checkParameters,
    packConfig: (pack) => withPack(pack, (loaded) => configs.of(loaded), noConfig),
    owner: instance.owner,
    reserve: (executions) => executor.reserve(environments.held.ready(executions).map(({ id }) => id)),
    enqueue: environments.held.enqueue,
    claim: (tx) => environments.held.within(tx, executor.claimWithin),
    accepted: (event) => void hooks.notify("event:accepted", event),
    plan: () => (hooks.has("execution:plan") ? hooks.plan : undefined),
    enforced: () => (hooks.has("enforcement:created") ? (one) => void hooks.notify("enforcement:created", one) : undefined),
    log,
  });
  const ingest = createIngest({
    registry: () => reconciler.registry,
    transport,
    handle: createBatcher<EventMessage>({ max: 64, run: handle }),
    filter: (event) => hooks.filter("event:accept", event),
    storage,
    log,
  });

  const sensors = superviseSensors({ settings, storage, children, lines: ingest.lines, hooks, log });

  scope.defer(() => executor.stop(drainLimit));
  await reconciler.reload();
  const services = createServices({
    storage,
    reconciler,
    environments,
    executor,
    ingest,
    sensors,
    watchers,
    checkParameters,
    plan: hooks.plan,
    checkRule: (rule) => void compileRule(rule),
    async checkRuntimes() {
      runtimeSet.forget();
      await plugins.probe();
    },
    configs,
    plugins,
    findVersion: ({ ref, snapshot }, word) =>
      findVersion({ sql: storage, snapshots }, { ref, snapshot: snapshot?.hash ?? null }, word),
    configured: () => void wantSensors(),
    status: () => ({
      version,
      pid: process.pid,
      started,
      storage: { description: storage.description, available: databaseReachable },
      transport: { description: transport.description, available: !ingest.bypassing },
      executions: { running: executor.running },
      ready: accepting && databaseReachable,
      pack_directories: settings.packs.directories,
    }),
  });
  const { url } = await startApi({ ...settings.api, token: instance.token, services, log, scope: scope.child("api") });
  children.apiListens(url);

  await environments.start();
  await executor.start();
  const subscription = await transport.subscribe(handle);
  scope.defer(async () => subscription[Symbol.asyncDispose]());
  scope.defer(() => sensors.stop());
  accepting = true;
  scope.defer(() => {
    accepting = false;
  });
  wantSensors();

  const collectSnapshots = createSnapshotCollector(snapshots, storage);
  await followFiles(scope, {
    directories: settings.packs.directories,
    reconciler,
    plugins,
    log,
    async collect() {
      await collectSnapshots(reconciler.registry, children.packDirs());
      await environments.collect();
    },
  });
  instance.announce({ url, version });
  scope.defer(() => hooks.notify("daemon:stopping", { reason: "stopping" }));
  announceReady(log, { url, storage: storage.description, events: transport.description, ms: performance.now() - began });
  void hooks.notify("daemon:ready", { url });
  return url;
}
