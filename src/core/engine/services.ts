import { databaseHistory } from "../../api/queries.ts";
import type { DaemonStatus, Services } from "../../api/services.ts";
import { AttuneError } from "../errors.ts";
import { explainShown, viewOf } from "../events/explain.ts";
import type { Ingest } from "../events/ingest.ts";
import type { Executor } from "../executions/executor.ts";
import { insertManual } from "../executions/store.ts";
import type { HookRunner } from "../hooks.ts";
import { executionIdOfKey, newId } from "../ids.ts";
import { noConfig } from "../pack-config.ts";
import type { Reconciler } from "../packs/reload/reconcile.ts";
import { insertApiRule, retireRule, setRuleEnabled } from "../packs/reload/rule-store.ts";
import { parameterProblems } from "../packs/rule-parameters.ts";
import type { FileDifference } from "../packs/versions/pack-files.ts";
import type { PackVersion } from "../packs/versions/pack-versions.ts";
import { writeBack } from "../packs/versions/write-back.ts";
import type { JsonObject, Storage } from "../plugin.ts";
import type { PluginState } from "../plugins/state.ts";
import type { Supervisor } from "../processes/supervisor.ts";
import {
  type Action,
  allTriggers,
  findTrigger,
  type LoadedPack,
  packOf,
  type RuleDefinition,
  requireAction,
  snapshotOf,
} from "../registry.ts";
import { suggestion } from "../registry-build.ts";
import { usable } from "../runtimes/runtimes.ts";
import type { ExecutionWatchers } from "./execution-watchers.ts";
import { followOutput } from "./follow-output.ts";
import type { PackConfigs } from "./pack-configs.ts";
import type { PackEnvironments } from "./pack-environments.ts";
import type { WantedSensor } from "./sensors.ts";

export interface Engine {
  readonly storage: Storage;
  readonly reconciler: Reconciler;
  readonly environments: PackEnvironments;
  readonly executor: Executor;
  readonly ingest: Ingest;
  readonly sensors: Supervisor<WantedSensor>;
  readonly watchers: ExecutionWatchers;
  readonly status: () => DaemonStatus;
  /** Applies defaults and checks; throws PARAMETERS_INVALID. */
  readonly checkParameters: (action: Action, values: JsonObject) => JsonObject;
  /** Passes an execution through the filters of plugins. Rejects with REFUSED or PLUGIN_FAILED. */
  readonly plan: HookRunner["plan"];
  /** Throws EXPRESSION_INVALID for a condition or a template that can't work. */
  readonly checkRule: (rule: RuleDefinition) => void;
  readonly checkRuntimes: () => Promise<void>;
  readonly configs: PackConfigs;
  readonly plugins: { states(): readonly PluginState[] };
  /** Throws NOT_FOUND. */
  readonly findVersion: (pack: LoadedPack, word: string) => Promise<PackVersion>;
  /** Brings what runs to a changed configuration. */
  readonly configured: () => void;
}

/** What the engine offers to the API. */
export function createServices(engine: Engine): Services {
  const { storage, reconciler, executor } = engine;
  const registry = () => reconciler.registry;
  return {
    registry,
    brokenPacks: () => [...reconciler.broken].map(([ref, problems]) => ({ ref, problems })),
    history: databaseHistory(storage),
    status: engine.status,
    reload: (ref) => reconciler.reload(ref),
    checkRuntimes: engine.checkRuntimes,

    async run({ action: ref, parameters, idempotencyKey }) {
      const action = requireAction(registry(), ref);
      if (!action.enabled)
        throw new AttuneError("CONFLICT", `action ${ref} is disabled`, { hint: "set enabled: true in its file" });
      const checked = engine.checkParameters(action, parameters);
      const found = usable(registry(), action);
      if (!found.available) throw new AttuneError("RUNTIME_UNAVAILABLE", found.reason);
      const standing = engine.environments.standing(action);
      if (standing.status === "failed") throw new AttuneError("RUNTIME_UNAVAILABLE", standing.reason);
      const pack = registry().packs.get(action.pack);
      const snapshot = pack ? (snapshotOf(pack, ref)?.hash ?? null) : null;
      const id = idempotencyKey === undefined ? newId() : executionIdOfKey(ref, idempotencyKey);
      const plan = { id, action: ref, rule: null, event: null, parameters: checked };
      const final = await engine.plan(plan, (values) => engine.checkParameters(action, values));
      const tx = await storage.transaction(async (tx) => {
        const inserted = await insertManual(tx, { id, action: ref, parameters: final, snapshot });
        if (inserted) await engine.environments.held.enqueue(tx, [{ id, action }]).done;
        return tx;
      });
      engine.environments.held.settled(tx);
      executor.wake();
      return { id };
    },

    async emit({ trigger, payload, key, rule }) {
      const target = rule === undefined ? null : { ref: rule };
      return { id: await engine.ingest.event({ trigger, target, key: null, payload, checkpoint: null }, key ?? null) };
    },

    rules: {
      async create(rule) {
        const current = registry();
        if (!findTrigger(current, rule.trigger)) {
          const known = [...allTriggers(current)].map((trigger) => trigger.ref);
          throw new AttuneError("NOT_FOUND", `there is no trigger ${rule.trigger}`, { hint: suggestion(rule.trigger, known) });
        }
        const action = requireAction(current, rule.action);
        const definition: RuleDefinition = {
          ...rule,
          kind: "rule",
          pack: packOf(rule.ref),
          label: rule.label ?? rule.ref,
          tags: [],
          file: "",
          hash: Bun.hash(JSON.stringify(rule)).toString(36),
        };
        engine.checkRule(definition);
        const trigger = findTrigger(current, rule.trigger)?.parameters;
        const wrong = parameterProblems(definition, { trigger, action: action.parameters }, () => undefined);
        if (wrong.length > 0) {
          const hint = wrong.find((problem) => problem.hint)?.hint ?? undefined;
          throw new AttuneError("PARAMETERS_INVALID", wrong.map((problem) => problem.message).join("; "), { hint });
        }
        await reconciler.changeRules(async () => {
          if (await insertApiRule(storage, definition)) return;
          throw new AttuneError("CONFLICT", `there is already a rule ${rule.ref}`, {
            hint: "choose another ref, or delete that rule first",
          });
        });
      },
      async setEnabled(ref, enabled) {
        requireRule(ref);
        await reconciler.changeRules(() => setRuleEnabled(storage, ref, enabled));
      },
      explain(ref, event) {
        const rule = requireRule(ref);
        const packConfig = (pack: string) => {
          const loaded = registry().packs.get(pack);
          return loaded ? engine.configs.of(loaded) : noConfig;
        };
        const { checkParameters } = engine;
        return explainShown({ checkParameters, packConfig }, registry(), rule, viewOf(rule, event));
      },
      async delete(ref) {
        if (requireRule(ref).source === "pack") {
          throw new AttuneError("CONFLICT", `rule ${ref} belongs to pack ${packOf(ref)} and would come back with its file`, {
            hint: `attune rule disable ${ref}, or delete its file`,
          });
        }
        await reconciler.changeRules(() => retireRule(storage, ref));
      },
    },

    versions: {
      async diff(ref, from, to) {
        const [before, after] = [
          await engine.findVersion(requirePack(ref), from),
          await engine.findVersion(requirePack(ref), to),
        ];
        const { diffVersions } = await import("../packs/versions/version-diff.ts");
        return { from: before, to: after, files: await diffVersions(before.dir, after.dir) };
      },
      async rollback(ref, word) {
        const version = await engine.findVersion(requirePack(ref), word);
        let files: readonly FileDifference[] = [];
        const reports = await reconciler.rewrite(ref, async (dir) => {
          files = await writeBack(version.dir, dir);
        });
        return { to: version, files, reports };
      },
    },

    config: {
      show(ref) {
        const pack = requirePack(ref);
        return { schema: pack.manifest.conf_schema, entries: engine.configs.of(pack).entries };
      },
      async set(ref, values) {
        await engine.configs.set(requirePack(ref), values);
        engine.configured();
      },
      async unset(ref, keys) {
        await engine.configs.unset(requirePack(ref), keys);
        engine.configured();
      },
    },

    environments: engine.environments,
    plugins: () => engine.plugins.states(),
    sensors: () => engine.sensors.states(),
    sensorLog: (ref) => engine.sensors.log(ref)?.all() ?? [],
    async *followSensorLog(ref, signal) {
      const log = engine.sensors.log(ref);
      if (log) yield* log.follow(signal);
    },
    output(id) {
      const streams = executor.output(id);
      return streams ? followOutput(streams, engine.watchers.over(id)) : null;
    },
    async started(id, signal) {
      await engine.watchers.until(id, signal, "started", () => statusOf(id));
    },
    async finished(id, signal) {
      await engine.watchers.until(id, signal, "finished", () => statusOf(id));
    },
  };

  function requirePack(ref: string) {
    const pack = registry().packs.get(ref);
    if (pack) return pack;
    throw new AttuneError("NOT_FOUND", `there is no pack ${ref}`, { hint: suggestion(ref, registry().packs.keys()) });
  }

  function requireRule(ref: string) {
    const rule = registry().rules.get(ref);
    if (rule) return rule;
    throw new AttuneError("NOT_FOUND", `there is no rule ${ref}`, { hint: suggestion(ref, registry().rules.keys()) });
  }

  async function statusOf(id: string): Promise<"waiting" | "running" | "over"> {
    const { rows } = await storage.query<{ status: string }>("SELECT status FROM execution WHERE id = $1", [id]);
    const status = rows[0]?.status;
    if (status === undefined) throw new AttuneError("NOT_FOUND", `there is no execution ${id}`);
    return status === "running" ? "running" : status === "requested" || status === "scheduled" ? "waiting" : "over";
  }
}
