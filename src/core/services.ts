import { databaseHistory } from "../api/queries.ts";
import type { DaemonStatus, OutputChunk, Services } from "../api/services.ts";
import { AttuneError } from "./errors.ts";
import type { Ingest } from "./events/ingest.ts";
import type { Executor } from "./executions/executor.ts";
import type { OutputBuffer } from "./executions/output.ts";
import type { JobQueue } from "./executions/queue.ts";
import { insertManual } from "./executions/store.ts";
import { executionIdOfKey, newId } from "./ids.ts";
import type { Reconciler } from "./packs/reconcile.ts";
import { parameterProblems } from "./packs/rule-parameters.ts";
import { insertApiRule, retireRule, setRuleEnabled } from "./packs/rule-store.ts";
import type { ExecutionChange, ExecutionPlan, JsonObject, Storage } from "./plugin.ts";
import type { Supervisor } from "./processes/supervisor.ts";
import { type Action, allTriggers, findTrigger, packOf, type RuleDefinition, requireAction, snapshotOf } from "./registry.ts";
import { suggestion } from "./registry-build.ts";
import { usable } from "./runtimes.ts";
import type { WantedSensor } from "./sensors.ts";

export interface Engine {
  readonly storage: Storage;
  readonly reconciler: Reconciler;
  readonly queue: JobQueue;
  readonly executor: Executor;
  readonly ingest: Ingest;
  readonly sensors: Supervisor<WantedSensor>;
  readonly watchers: ExecutionWatchers;
  readonly status: () => DaemonStatus;
  /** Applies defaults and checks; throws PARAMETERS_INVALID. */
  readonly checkParameters: (action: Action, values: JsonObject) => JsonObject;
  /** Passes an execution through the filters of plugins; null: one of them refused it. */
  readonly plan: (plan: ExecutionPlan) => Promise<ExecutionPlan | null>;
  readonly expireInSeconds: (action: Action) => number;
  /** Throws EXPRESSION_INVALID for a condition or a template that can't work. */
  readonly checkRule: (rule: RuleDefinition) => void;
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

    async run({ action: ref, parameters, idempotencyKey }) {
      const action = requireAction(registry(), ref);
      if (!action.enabled)
        throw new AttuneError("CONFLICT", `action ${ref} is disabled`, { hint: "set enabled: true in its file" });
      const checked = engine.checkParameters(action, parameters);
      const found = usable(registry(), action);
      if (!found.available) throw new AttuneError("RUNTIME_UNAVAILABLE", found.reason);
      const pack = registry().packs.get(action.pack);
      const snapshot = pack ? (snapshotOf(pack, ref)?.hash ?? null) : null;
      const id = idempotencyKey === undefined ? newId() : executionIdOfKey(ref, idempotencyKey);
      const planned = await engine.plan({ id, action: ref, rule: null, event: null, parameters: checked });
      if (!planned) throw new AttuneError("REFUSED", "a plugin's execution:plan hook refused it");
      const final = planned.parameters === checked ? checked : engine.checkParameters(action, planned.parameters);
      await storage.transaction(async (tx) => {
        const inserted = await insertManual(tx, { id, action: ref, parameters: final, snapshot });
        if (inserted) await engine.queue.enqueue(tx, [{ id, expireInSeconds: engine.expireInSeconds(action) }]).done;
      });
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
      async delete(ref) {
        if (requireRule(ref).source === "pack") {
          throw new AttuneError("CONFLICT", `rule ${ref} belongs to pack ${packOf(ref)} and would come back with its file`, {
            hint: `attune rule disable ${ref}, or delete its file`,
          });
        }
        await reconciler.changeRules(() => retireRule(storage, ref));
      },
    },

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

/** Whoever waits for executions to start or to end. */
export interface ExecutionWatchers {
  changed(change: ExecutionChange): void;
  /** Waits for changes, after a look at how it stands; rejects when `signal` is aborted. */
  until(
    id: string,
    signal: AbortSignal,
    what: "started" | "finished",
    look: () => Promise<"waiting" | "running" | "over">,
  ): Promise<void>;
  over(id: string): Promise<void>;
}

export function createExecutionWatchers(): ExecutionWatchers {
  const watchers = new Map<string, Set<(running: boolean) => void>>();

  function watch(id: string, tell: (running: boolean) => void): () => void {
    const set = watchers.get(id) ?? new Set();
    watchers.set(id, set.add(tell));
    return () => {
      set.delete(tell);
      if (set.size === 0 && watchers.get(id) === set) watchers.delete(id);
    };
  }

  return {
    changed(change) {
      for (const tell of watchers.get(change.id) ?? []) tell(change.to === "running");
    },
    async until(id, signal, what, look) {
      const reached = Promise.withResolvers<void>();
      const stop = watch(id, (running) => {
        if (!running || what === "started") reached.resolve();
      });
      const aborted = () => reached.reject(signal.reason);
      signal.addEventListener("abort", aborted, { once: true });
      try {
        signal.throwIfAborted();
        // Watching first and looking second leaves no gap for a change to fall into.
        const now = await look();
        if (now === "over" || (now === "running" && what === "started")) return;
        await reached.promise;
      } finally {
        stop();
        signal.removeEventListener("abort", aborted);
      }
    },
    over(id) {
      const ended = Promise.withResolvers<void>();
      const stop = watch(id, (running) => {
        if (running) return;
        stop();
        ended.resolve();
      });
      return ended.promise;
    },
  };
}

/** Chunks kept for a reader that is slower than the script. */
const backlog = 1_000;

/** Both streams as they come, until the execution is over. */
async function* followOutput(
  streams: { readonly stdout: OutputBuffer; readonly stderr: OutputBuffer },
  over: Promise<void>,
): AsyncGenerator<OutputChunk> {
  const queue: OutputChunk[] = [];
  let arrived = Promise.withResolvers<void>();
  let ended = false;
  const listen = (stream: "stdout" | "stderr") => {
    const decoder = new TextDecoder();
    return streams[stream].follow((chunk) => {
      if (queue.length >= backlog)
        queue.splice(0, backlog / 2, { stream, text: "\n[attune: left out here; the log has more]\n" });
      queue.push({ stream, text: decoder.decode(chunk, { stream: true }) });
      arrived.resolve();
    });
  };
  const stops = [listen("stdout"), listen("stderr")];
  void over.then(() => {
    ended = true;
    arrived.resolve();
  });
  try {
    for (;;) {
      for (let chunk = queue.shift(); chunk; chunk = queue.shift()) yield chunk;
      if (ended) return;
      await arrived.promise;
      arrived = Promise.withResolvers<void>();
    }
  } finally {
    for (const stop of stops) stop();
  }
}
