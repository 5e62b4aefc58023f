import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadAssets } from "../src/assets.ts";
import { wantedSensors } from "../src/core/engine/sensors.ts";
import { baseEnvironment } from "../src/core/environment.ts";
import { checkRule, compileRule } from "../src/core/events/compile.ts";
import { silentLogger } from "../src/core/log.ts";
import { migrate } from "../src/core/migrate.ts";
import { createReconciler, type Reconciler } from "../src/core/packs/reload/reconcile.ts";
import { watchPacks } from "../src/core/packs/reload/watch.ts";
import { openSnapshots } from "../src/core/packs/snapshots/snapshots.ts";
import type { ChildScope } from "../src/core/plugin.ts";
import type { Registry } from "../src/core/registry.ts";
import { unlimited } from "../src/core/runtimes/limits.ts";
import { builtIn, runtimeFromPlugin } from "../src/core/runtimes/runtimes.ts";
import { createRuntimeSet } from "../src/core/runtimes/set.ts";
import { createScope } from "../src/core/scope.ts";
import { builtinRuntimes, postgres } from "../src/plugins/index.ts";
import { startPostgres } from "../tests/support/postgres.ts";
import { type Figure, median, quantile, type Row } from "./figure.ts";

/** A project of packs, each with 100 components: 50 actions, 20 triggers, 25 rules and 5 sensors. */
function writeProject(root: string, packs: number): void {
  for (let p = 0; p < packs; p++) {
    const dir = join(root, `p${p}`);
    for (const folder of ["actions", "triggers", "rules", "sensors"]) mkdirSync(join(dir, folder), { recursive: true });
    writeFileSync(join(dir, "pack.yaml"), `ref: p${p}\nversion: 1.0.0\nlabel: Pack ${p}\n`);
    for (let i = 0; i < 50; i++) {
      writeFileSync(join(dir, `actions/a${i}.sh`), `echo ${i}\n`);
      writeFileSync(join(dir, `actions/a${i}.yaml`), action(p, i, "first"));
    }
    for (let i = 0; i < 20; i++) {
      writeFileSync(
        join(dir, `triggers/t${i}.yaml`),
        `ref: p${p}.t${i}\nparameters:\n  level: { type: string }\noutput:\n  value: { type: integer }\n`,
      );
    }
    for (let i = 0; i < 25; i++) {
      const body = `ref: p${p}.r${i}\ntrigger_ref: t${i % 20}\naction_ref: a${i}\nwhen: payload.value > ${i}\naction_params:\n  message: "{{ event.payload.value }}"\n`;
      writeFileSync(join(dir, `rules/r${i}.yaml`), body);
    }
    for (let i = 0; i < 5; i++) {
      writeFileSync(join(dir, `sensors/s${i}.sh`), "sleep 60\n");
      writeFileSync(
        join(dir, `sensors/s${i}.yaml`),
        `ref: p${p}.s${i}\nrunner_type: shell\nentry_point: s${i}.sh\ntrigger_types: [t${i}]\n`,
      );
    }
  }
}

function action(pack: number, index: number, label: string): string {
  return `ref: p${pack}.a${index}\nlabel: ${label}\nrunner_type: shell\nentry_point: a${index}.sh\nparameters:\n  message: { type: string, default: hello }\n`;
}

/** `count` actions with their scripts, a hundred in each pack. */
function writeActions(root: string, count: number): void {
  for (let i = 0; i < count; i++) {
    const pack = Math.floor(i / 100);
    const dir = join(root, `p${pack}`);
    mkdirSync(join(dir, "actions"), { recursive: true });
    if (i % 100 === 0) writeFileSync(join(dir, "pack.yaml"), `ref: p${pack}\nversion: 1.0.0\n`);
    writeFileSync(join(dir, `actions/a${i}.sh`), `echo ${i}\n`);
    writeFileSync(join(dir, `actions/a${i}.yaml`), action(pack, i, "first"));
  }
}

interface Engine {
  readonly directory: string;
  readonly scope: ChildScope;
  readonly reconciler: Reconciler;
  /** Called with each new registry once it is in force. */
  inForce: (registry: Registry) => void;
}

/** Runs `measure` with what the daemon has to serve packs, but nothing that starts sensors; the packs are not read yet. */
async function withEngine<T>(write: (directory: string) => void, measure: (engine: Engine) => Promise<T>): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), "attune-bench-"));
  const directory = join(root, "packs");
  mkdirSync(join(root, "core"), { recursive: true });
  writeFileSync(join(root, "core/pack.yaml"), "ref: core\nversion: 1.0.0\n");
  write(directory);
  const server = await startPostgres();
  const scope = createScope("bench", silentLogger);
  try {
    const context = { scope, log: silentLogger, dataDir: root, projectDir: root };
    const storage = await postgres({ url: await server.createDatabase() }).open(context);
    await migrate(storage, loadAssets().migrations, silentLogger);
    const runtimes = await Promise.all(
      builtinRuntimes({ preload: "" }).map((plugin) => runtimeFromPlugin(plugin, builtIn, silentLogger)),
    );
    const reconciler = createReconciler({
      storage,
      scope,
      runtimes,
      runtimeSet: createRuntimeSet({ env: baseEnvironment(process.env, []), limits: unlimited, log: silentLogger }),
      checkRule,
      directories: [directory],
      corePack: join(root, "core"),
      autoLoad: null,
      snapshots: openSnapshots(join(root, "data")),
      compile: compileRule,
      log: silentLogger,
      published(registry) {
        engine.inForce(registry);
        wantedSensors(registry, { configuration: () => "", environment: () => ({ status: "ready", dir: null }) });
      },
    });
    const engine: Engine = { directory, scope, reconciler, inForce() {} };
    return await measure(engine);
  } finally {
    await scope.end();
    await server.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

/** Milliseconds from nothing read and nothing stored to everything served. */
async function cold({ reconciler }: Engine): Promise<number> {
  const began = performance.now();
  await reconciler.reload();
  return performance.now() - began;
}

type Save = (file: string, text: string) => void;

/** Milliseconds from each of `edits` saves of an action to the registry that serves it. */
async function saveToLive(engine: Engine, packs: number, edits: number, save: Save): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < edits; i++) {
    const [pack, index, label] = [(i * 37) % packs, i % 50, `edit ${crypto.randomUUID()}`];
    const live = Promise.withResolvers<void>();
    engine.inForce = (registry) => {
      if (registry.packs.get(`p${pack}`)?.actions.get(`p${pack}.a${index}`)?.label === label) live.resolve();
    };
    const saved = performance.now();
    save(join(engine.directory, `p${pack}/actions/a${index}.yaml`), action(pack, index, label));
    await Promise.race([live.promise, Bun.sleep(10_000).then(() => Promise.reject(new Error(`edit ${i} never went live`)))]);
    times.push(performance.now() - saved);
    // What the edit before left to do must not count for the next one.
    await Bun.sleep(60);
  }
  return times;
}

const byRename: Save = (file, text) => {
  writeFileSync(`${file}.tmp`, text);
  renameSync(`${file}.tmp`, file);
};

export const reload: Figure = {
  name: "reload",
  async measure() {
    const packs = Number(process.env["ATTUNE_BENCH_PACKS"] ?? 100);
    const edits = Number(process.env["ATTUNE_BENCH_EDITS"] ?? 100);
    const actions = await withEngine((dir) => writeActions(dir, 4_000), cold);
    const [rename, inPlace, all] = await withEngine(
      (dir) => writeProject(dir, packs),
      async (engine) => {
        const all = await cold(engine);
        await watchPacks(engine.scope, {
          directories: [engine.directory],
          changed: (changes) => void engine.reconciler.reloadDirectories(changes),
        });
        return [
          await saveToLive(engine, packs, edits, byRename),
          await saveToLive(engine, packs, edits, writeFileSync),
          all,
        ] as const;
      },
    );
    const size = `${(packs * 100).toLocaleString("en")} components`;
    return [
      ...rowsOf(`save by rename -> live, ${size}`, rename, { p50: 15, p99: 60 }),
      ...rowsOf(`save in place -> live, ${size}`, inPlace, { p50: 70, p99: 150 }),
      { name: "4,000 actions registered from cold", value: actions, unit: "ms", target: { most: 3_000 } },
      { name: `${size} registered from cold`, value: all, unit: "ms" },
    ];
  },
};

function rowsOf(name: string, times: readonly number[], most: { p50: number; p99: number }): Row[] {
  return [
    { name: `${name}, p50`, value: median(times), unit: "ms", target: { most: most.p50 } },
    { name: `${name}, p99`, value: quantile(times, 0.99), unit: "ms", target: { most: most.p99 } },
  ];
}
