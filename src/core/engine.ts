import { startApi } from "../api/server.ts";
import { loadAssets, version } from "../assets.ts";
import { builtinRuntimes, local, nats, postgres } from "../plugins/index.ts";
import { announceExecution, announceSensor } from "./announce.ts";
import { createBatcher } from "./batches.ts";
import { unpackBuiltin } from "./builtin.ts";
import { createChildren } from "./children.ts";
import type { Settings } from "./config.ts";
import { describeError } from "./errors.ts";
import { checkRule, compileRule } from "./events/compile.ts";
import { createEventHandler } from "./events/handle.ts";
import { createIngest } from "./events/ingest.ts";
import { createExecutor } from "./executions/executor.ts";
import { openQueue } from "./executions/queue.ts";
import { createHooks } from "./hooks.ts";
import type { Instance } from "./instance.ts";
import { holdLease } from "./lease.ts";
import { migrate } from "./migrate.ts";
import { createReconciler } from "./packs/reconcile.ts";
import { openSnapshots } from "./packs/snapshots.ts";
import { createVersions } from "./packs/versions.ts";
import { watchPacks } from "./packs/watch.ts";
import type { EventMessage, JsonObject, Logger, Scope } from "./plugin.ts";
import { sensorRestarts } from "./processes/backoff.ts";
import { createSupervisor } from "./processes/supervisor.ts";
import type { Action } from "./registry.ts";
import { collectSnapshots, tellReload } from "./reloads.ts";
import { builtIn, runtimeFromPlugin } from "./runtimes.ts";
import { compileSchema } from "./schema.ts";
import { rulesMessage, type SensorStart, startSensor, type WantedSensor, wantedSensors } from "./sensors.ts";
import { createExecutionWatchers, createServices } from "./services.ts";

/** Milliseconds that running actions get to finish when the daemon stops. */
const drainLimit = 30_000;
const rescanEvery = 60_000;

export interface EngineContext {
  readonly scope: Scope;
  readonly log: Logger;
  readonly began: number;
  readonly env: Readonly<Record<string, string | undefined>>;
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
  { scope, log, began, env, fail }: EngineContext,
): Promise<string> {
  const { dataDir } = instance;
  const started = new Date().toISOString();
  const hooks = createHooks(log);
  for (const plugin of settings.plugins.use.filter((one) => typeof one === "object"))
    if (plugin.hooks) scope.defer(hooks.register(plugin.name, plugin.hooks));
  const open = (name: string) => ({
    scope: scope.child(name),
    log: log.child({ plugin: name }),
    dataDir,
    projectDir: settings.projectDir,
  });

  const assets = loadAssets();
  const builtin = await unpackBuiltin(assets, dataDir);
  const own = settings.plugins.use.filter((plugin) => typeof plugin === "object").filter((plugin) => plugin.kind === "runtime");
  // Probing starts programs: that goes on while the database comes up.
  const probed = Promise.all([
    ...builtinRuntimes({ preload: builtin.preload }).map((plugin) => runtimeFromPlugin(plugin, builtIn, log)),
    ...own.map((plugin) => runtimeFromPlugin(plugin, { namespace: "local", source: "config", revision: "" }, log)),
  ]);
  probed.catch(() => {});

  let databaseReachable = true;
  const storagePlugin = settings.databaseUrl ? postgres({ url: settings.databaseUrl }) : (settings.storage ?? postgres());
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
  const transportPlugin = settings.natsUrl ? nats({ url: settings.natsUrl }) : (settings.transport ?? local());
  const transport = await transportPlugin.open(open("transport"));
  const queue = await openQueue(storage, scope.child("queue"));

  const children = createChildren({ settings, instance, hooks, env });
  const timeoutOf = (pack: string, stated: number | null) =>
    Math.min(
      stated ?? settings.limits.actionTimeout,
      settings.packs.byPack.get(pack)?.maxActionTimeout ?? Number.POSITIVE_INFINITY,
    );
  const checkParameters = (action: Action, values: JsonObject) => compileSchema(action.parameters).check(values);
  const expireInSeconds = (action: Action) => timeoutOf(action.pack, action.timeout) + settings.limits.grace + 60;
  const watchers = createExecutionWatchers();

  const snapshots = openSnapshots(dataDir);
  const reconciler = createReconciler({
    storage,
    directories: settings.packs.directories,
    corePack: builtin.corePack,
    autoLoad: settings.packs.autoLoad,
    runtimes: await probed,
    compile: compileRule,
    checkRule,
    scope,
    snapshots,
    log,
    published(registry, reports) {
      const restarted = accepting ? sensors.want(wantedSensors(registry)) : [];
      for (const report of reports) tellReload({ storage, hooks, log }, report, restarted);
    },
  });

  const executor = createExecutor({
    storage,
    queue,
    registry: () => reconciler.registry,
    version: createVersions(() => reconciler.registry, snapshots),
    run: { ...children, tempDir: dataDir, grace: settings.limits.grace * 1_000 },
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
    packConfig: (pack) => ({
      ...reconciler.registry.packs.get(pack)?.manifest.config,
      ...settings.packs.byPack.get(pack)?.config,
    }),
    enqueue: (tx, executions) =>
      queue.enqueue(
        tx,
        executions.map(({ id, action }) => ({ id, expireInSeconds: expireInSeconds(action) })),
      ),
    claim: executor.claimWithin,
    accepted: (event) => void hooks.notify("event:accepted", event),
    plan: () => (hooks.has("execution:plan") ? (plan) => hooks.filter("execution:plan", plan) : undefined),
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

  const sensorContext: SensorStart = {
    ...children,
    sql: storage,
    take: ingest.line,
    tooLong: (sensor) => log.warn("a line of a sensor is too long and was dropped", { sensor: sensor.ref }),
  };
  let accepting = false;
  const sensors = createSupervisor<WantedSensor>({
    policy: sensorRestarts,
    grace: settings.limits.grace * 1_000,
    message: (wanted) => rulesMessage(storage, wanted),
    start: (wanted, line) =>
      startSensor(sensorContext, wanted, (text) => {
        line(text);
        log[settings.packs.byPack.get(wanted.sensor.pack)?.debug ? "info" : "debug"](text, { sensor: wanted.ref });
      }),
    changed(state) {
      announceSensor(log, state);
      void hooks.notify("sensor:state", { sensor: state.ref, status: state.status, pid: state.pid, reason: state.reason });
    },
  });

  scope.defer(() => executor.stop(drainLimit));
  await reconciler.reload();
  const services = createServices({
    storage,
    reconciler,
    queue,
    executor,
    ingest,
    sensors,
    watchers,
    checkParameters,
    plan: (plan) => hooks.filter("execution:plan", plan),
    expireInSeconds,
    checkRule: (rule) => void compileRule(rule),
    status: () => ({
      version,
      pid: process.pid,
      started,
      storage: { description: storage.description, available: databaseReachable },
      transport: { description: transport.description, available: !ingest.bypassing },
      executions: { running: executor.running },
      ready: accepting && databaseReachable,
    }),
  });
  const { url } = await startApi({ ...settings.api, token: instance.token, services, log, scope: scope.child("api") });
  children.apiListens(url);

  await executor.start();
  const subscription = await transport.subscribe(handle);
  scope.defer(async () => subscription[Symbol.asyncDispose]());
  scope.defer(() => sensors.stop());
  accepting = true;
  scope.defer(() => {
    accepting = false;
  });
  sensors.want(wantedSensors(reconciler.registry));

  const failed = (thrown: unknown) => log.error("reloading packs failed", { error: describeError(thrown) });
  await watchPacks(scope, {
    directories: settings.packs.directories,
    changed: (changes) => void reconciler.reloadDirectories(changes).catch(failed),
  });
  // What was saved while the watch was put in place.
  void reconciler.reload().catch(failed);
  scope.every(rescanEvery, async () => {
    await reconciler.reload();
    await collectSnapshots(snapshots, reconciler.registry, children.packDirs(), storage);
  });
  instance.announce({ url, version });
  scope.defer(() => hooks.notify("daemon:stopping", { reason: "stopping" }));
  log.info("ready", {
    url,
    storage: storage.description,
    events: eventsDescription(transport.description),
    ms: Math.round(performance.now() - began),
  });
  void hooks.notify("daemon:ready", { url });
  return url;
}

function eventsDescription(description: string): string {
  return description === "in-process" ? "in-process (set NATS_URL for JetStream)" : description;
}
