import path from "node:path";
import { startApi } from "../api/server.ts";
import { loadAssets, version } from "../assets.ts";
import { builtinRuntimes, local, nats, postgres } from "../plugins/index.ts";
import * as define from "../sdk/define.ts";
import { createBatcher } from "./batches.ts";
import { announceExecution, announceReload, announceSensor } from "./announce.ts";
import { unpackBuiltin } from "./builtin.ts";
import { findConfig, resolveSettings, type Settings } from "./config.ts";
import { baseEnvironment } from "./environment.ts";
import { describeError, toError } from "./errors.ts";
import { checkRule, compileRule } from "./events/compile.ts";
import { createEventHandler } from "./events/handle.ts";
import { createIngest } from "./events/ingest.ts";
import { createExecutor } from "./executions/executor.ts";
import { openQueue } from "./executions/queue.ts";
import { createHooks } from "./hooks.ts";
import { type Instance, openInstance } from "./instance.ts";
import { holdLease } from "./lease.ts";
import { createLogger } from "./log.ts";
import { migrate } from "./migrate.ts";
import { loadModule, provideSdk } from "./modules.ts";
import { createReconciler } from "./packs/reconcile.ts";
import { watchPacks } from "./packs/watch.ts";
import type { EventMessage, JsonObject, Launch, LaunchTarget, Logger } from "./plugin.ts";
import { sensorRestarts } from "./processes/backoff.ts";
import { type ChildSpec, startChild } from "./processes/child.ts";
import { cookieVariable, killLeftovers, openLedger } from "./processes/leftovers.ts";
import { createSupervisor } from "./processes/supervisor.ts";
import type { Action } from "./registry.ts";
import { runtimeFromPlugin } from "./runtimes.ts";
import { compileSchema } from "./schema.ts";
import { createScope } from "./scope.ts";
import { rulesMessage, type SensorStart, startSensor, type WantedSensor, wantedSensors } from "./sensors.ts";
import { createExecutionWatchers, createServices } from "./services.ts";

export interface DaemonOptions {
  /** Path of the config file, when one was named. */
  readonly config?: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}
export interface Daemon {
  readonly url: string;
  /** Stops in the reverse order of the start; calling it again shares the one ending. */
  stop(reason: string): Promise<void>;
  /** The exit code, once it has stopped: 0, or 1 when it had to give up. */
  readonly done: Promise<number>;
}

/** Milliseconds that running actions get to finish when the daemon stops. */
const drainLimit = 30_000;
/** Milliseconds without a change before a changed pack is read. */
const quietTime = 100;
const rescanEvery = 60_000;

/**
 * Starts the daemon. The order below is the order of starting; everything acquired is released in the reverse order, also
 * when starting fails half-way. Rejects with an AttuneError that says what to do.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const began = performance.now();
  provideSdk({ ...define, postgres, nats, local });
  const settings = await loadSettings(options);
  const log = createLogger(settings.log);
  const scope = createScope("daemon", log);
  const done = Promise.withResolvers<number>();

  async function stop(reason: string, exitCode: number): Promise<void> {
    if (!scope.signal.aborted) log.info("stopping", { reason });
    await scope.end().catch((thrown) => log.error("stopping went wrong", { error: toError(thrown).message }));
    done.resolve(exitCode);
  }

  try {
    const instance = openInstance(settings.dataDir, scope);
    killLeftovers(settings.dataDir, instance.home, log);
    const url = await run(settings, instance, { scope, log, began, env: options.env, fail: (error) => {
      log.error(describeError(error));
      void stop(error.message, 1);
    } });
    return { url, stop: (reason) => stop(reason, 0), done: done.promise };
  } catch (thrown) {
    await scope.end().catch((secondary) => log.error("stopping went wrong", { error: toError(secondary).message }));
    throw thrown;
  }
}

async function loadSettings(options: DaemonOptions): Promise<Settings> {
  const configFile = findConfig({ explicit: options.config, cwd: options.cwd, env: options.env });
  const cacheDir = path.join(options.env["ATTUNE_DATA_DIR"] ?? path.join(configFile ? path.dirname(configFile) : options.cwd, ".attune"), "modules");
  const config = configFile ? await loadModule(configFile, cacheDir, "CONFIG_INVALID") : {};
  return resolveSettings(config, { configFile, cwd: options.cwd, env: options.env });
}

interface RunContext {
  readonly scope: ReturnType<typeof createScope>;
  readonly log: Logger;
  readonly began: number;
  readonly env: DaemonOptions["env"];
  /** Ends the daemon because it can't do its work any more. */
  readonly fail: (error: Error) => void;
}

async function run(settings: Settings, instance: Instance, { scope, log, began, env, fail }: RunContext): Promise<string> {
  const { dataDir } = instance;
  const started = new Date().toISOString();
  const hooks = createHooks(log);
  for (const plugin of settings.plugins.use) if (plugin.hooks) scope.defer(hooks.register(plugin.name, plugin.hooks));
  const open = (name: string) => ({ scope: scope.child(name), log: log.child({ plugin: name }), dataDir, projectDir: settings.projectDir });

  const assets = loadAssets();
  const builtin = await unpackBuiltin(assets, dataDir);
  const plugins = [...builtinRuntimes({ preload: builtin.preload }), ...settings.plugins.use.filter((plugin) => plugin.kind === "runtime")];
  const builtins = new Set(builtinRuntimes({ preload: "" }).map((plugin) => plugin.name));
  // Probing starts programs: that goes on while the database comes up.
  const probed = Promise.all(plugins.map((plugin) => runtimeFromPlugin(plugin, builtins.has(plugin.name) ? "core" : "local", log)));
  probed.catch(() => {});

  const storagePlugin = settings.databaseUrl ? postgres({ url: settings.databaseUrl }) : (settings.storage ?? postgres());
  const storage = await storagePlugin.open(open("storage"));
  await migrate(storage, assets.migrations, log);
  await holdLease(storage, scope, { owner: instance.owner, home: instance.home, lost: fail });
  const transportPlugin = settings.natsUrl ? nats({ url: settings.natsUrl }) : (settings.transport ?? local());
  const transport = await transportPlugin.open(open("transport"));
  const queue = await openQueue(storage, scope.child("queue"));

  // The address of the API is known only once it listens; nothing is started before.
  let apiUrl = "";
  const base = { ...baseEnvironment(env, settings.passEnvironment), [cookieVariable]: instance.home };
  const environment = (pack: string) => ({
    ...base,
    ATTUNE_API_URL: apiUrl,
    ATTUNE_LOG_LEVEL: settings.packs.byPack.get(pack)?.debug ? "debug" : "info",
  });
  const ledger = openLedger(dataDir);
  const start = (spec: ChildSpec) => {
    const child = startChild(spec);
    ledger.started(child.pid, child.startTicks);
    void child.exited.finally(() => ledger.ended(child.pid));
    return child;
  };
  const filterLaunch = (launch: Launch, target: LaunchTarget) => hooks.filter("process:launch", launch, target);
  const timeoutOf = (pack: string, stated: number | null) =>
    Math.min(stated ?? settings.limits.actionTimeout, settings.packs.byPack.get(pack)?.maxActionTimeout ?? Number.POSITIVE_INFINITY);
  const checkParameters = (action: Action, values: JsonObject) => compileSchema(action.parameters).check(values);
  const expireInSeconds = (action: Action) => timeoutOf(action.pack, action.timeout) + settings.limits.grace + 60;
  const watchers = createExecutionWatchers();

  const reconciler = createReconciler({
    storage,
    directories: settings.packs.directories,
    corePack: builtin.corePack,
    autoLoad: settings.packs.autoLoad,
    runtimes: await probed,
    compile: compileRule,
    checkRule,
    log,
    published(registry, reports) {
      sensors.want(accepting ? wantedSensors(registry) : []);
      for (const report of reports) announceReload(log, report);
      for (const { pack, added, changed, removed, problems } of reports) {
        void hooks.notify("pack:changed", { pack, added, changed, removed });
        const errors = problems.filter((problem) => problem.severity === "error");
        if (errors.length > 0) void hooks.notify("pack:rejected", { pack, errors });
      }
    },
  });

  const executor = createExecutor({
    storage,
    queue,
    registry: () => reconciler.registry,
    run: { start, filterLaunch, environment, tempDir: dataDir, grace: settings.limits.grace * 1_000 },
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
    packConfig: (pack) => ({ ...reconciler.registry.packs.get(pack)?.manifest.config, ...settings.packs.byPack.get(pack)?.config }),
    enqueue: (tx, executions) => queue.enqueue(tx, executions.map(({ id, action }) => ({ id, expireInSeconds: expireInSeconds(action) }))),
    claim: executor.claimWithin,
    accepted: (event) => void hooks.notify("event:accepted", event),
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
    sql: storage,
    start,
    filterLaunch,
    environment,
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
    expireInSeconds,
    checkRule: (rule) => void compileRule(rule),
    status: () => ({
      version,
      pid: process.pid,
      started,
      storage: { description: storage.description, available: true },
      transport: { description: transport.description, available: true },
      executions: { running: executor.running },
      ready: accepting,
    }),
  });
  const { url } = await startApi({ ...settings.api, token: instance.token, services, log, scope: scope.child("api") });
  apiUrl = url;

  await executor.start();
  const subscription = await transport.subscribe(handle);
  scope.defer(async () => subscription[Symbol.asyncDispose]());
  scope.defer(() => sensors.stop());
  accepting = true;
  scope.defer(() => {
    accepting = false;
  });
  sensors.want(wantedSensors(reconciler.registry));

  await watchPacks(scope, {
    directories: settings.packs.directories,
    quiet: quietTime,
    changed: (dirs) => void reconciler.reloadDirectories(dirs).catch((thrown) => log.error("reloading packs failed", { error: describeError(thrown) })),
  });
  scope.every(rescanEvery, async () => {
    await reconciler.reload();
  });
  instance.announce({ url, version });
  scope.defer(() => hooks.notify("daemon:stopping", { reason: "stopping" }));
  log.info("ready", { url, storage: storage.description, events: eventsDescription(transport.description), ms: Math.round(performance.now() - began) });
  void hooks.notify("daemon:ready", { url });
  return url;
}

function eventsDescription(description: string): string {
  return description === "in-process" ? "in-process (set NATS_URL for JetStream)" : description;
}
