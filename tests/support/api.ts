import type { ExecutionRecord, History, PackHistoryRecord } from "../../src/api/history.ts";
import type { Page, Slice } from "../../src/api/paging.ts";
import { slice } from "../../src/api/paging.ts";
import { startApi } from "../../src/api/server.ts";
import type { NewRule, OutputChunk, SensorState, Services } from "../../src/api/services.ts";
import { AttuneError } from "../../src/core/errors.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { JsonObject } from "../../src/core/plugin.ts";
import { type Rule, requireAction } from "../../src/core/registry.ts";
import { createScope } from "../../src/core/scope.ts";
import { demoPlugins, demoRegistry, demoRule, problem, time } from "./demo.ts";

/** The API on a free port, over an engine that lives in this file's memory. */

export const token = "test-token-0123456789";
/** An execution that is under way: tests print for it and end it. */
interface Running {
  print(stream: OutputChunk["stream"], text: string): void;
  end(result: Partial<ExecutionRecord>): void;
}
export interface Engine {
  readonly services: Services;
  readonly executions: Map<string, ExecutionRecord>;
  readonly running: Map<string, Running>;
  readonly emitted: Parameters<Services["emit"]>[0][];
  readonly created: NewRule[];
  /** Executions of these actions end as stated at once; all others wait for the test. */
  readonly endAtOnce: Map<string, { readonly print: readonly OutputChunk[]; readonly result: Partial<ExecutionRecord> }>;
  sensorLines: string[];
  followers: number;
}

export function createEngine(): Engine {
  let registry = demoRegistry();
  const executions = new Map<string, ExecutionRecord>();
  const running = new Map<string, Running>();
  const outputs = new Map<
    string,
    { chunks: OutputChunk[]; ended: PromiseWithResolvers<void>; more: PromiseWithResolvers<void> }
  >();
  const setRule = (rule: Rule) => {
    registry = { ...registry, rules: new Map([...registry.rules, [rule.definition.ref, rule]]) };
  };
  const notServed = async (ref: string) => {
    throw new AttuneError("NOT_FOUND", `there is no pack ${ref}`);
  };
  const engine: Engine = {
    executions,
    running,
    emitted: [],
    created: [],
    endAtOnce: new Map(),
    sensorLines: ["started", "second \u001b[31mline"],
    followers: 0,
    services: {
      registry: () => registry,
      environments: { list: () => [], rebuild: () => {}, remove: async () => {} },
      plugins: () => demoPlugins,
      brokenPacks: () => [{ ref: "broken", problems: [{ ...problem, file: "pack.yaml" }] }],
      history: memoryHistory(executions, outputs),
      status: () => ({
        version: "0.0.0",
        pid: process.pid,
        started: time,
        ready: true,
        pack_directories: ["/srv/packs"],
        storage: { description: "memory", available: true },
        transport: { description: "in-process", available: true },
        executions: { running: running.size },
      }),
      async reload(ref) {
        if (ref !== undefined && !registry.packs.has(ref)) throw new AttuneError("NOT_FOUND", `there is no pack ${ref}`);
        return [{ pack: "demo", added: ["demo.new"], changed: [], removed: [], problems: [], ms: 1.4 }];
      },
      async run({ action, parameters }) {
        requireAction(registry, action);
        if (parameters["name"] === 5) throw new AttuneError("PARAMETERS_INVALID", "name must be a string", { hint: "quote it" });
        const id = Bun.randomUUIDv7();
        start(id, action, parameters);
        return { id };
      },
      async emit(event) {
        engine.emitted.push(event);
        return { id: Bun.randomUUIDv7() };
      },
      checkRuntimes: async () => {},
      versions: { diff: notServed, rollback: notServed },
      config: { show: () => ({ schema: {}, entries: [] }), async set() {}, async unset() {} },
      rules: {
        async create(rule) {
          if (registry.rules.has(rule.ref)) throw new AttuneError("CONFLICT", `there is a rule ${rule.ref} already`);
          engine.created.push(rule);
          setRule(demoRule(rule, 9, "api", rule.enabled));
        },
        async setEnabled(ref, enabled) {
          const rule = registry.rules.get(ref);
          if (rule) setRule({ ...rule, enabled });
        },
        explain: () => {
          throw new AttuneError("EVENT_INVALID", "the demo judges nothing");
        },
        async delete(ref) {
          if (registry.rules.get(ref)?.source === "pack") {
            throw new AttuneError("CONFLICT", `${ref} belongs to a pack`, { hint: "disable it instead" });
          }
          registry = { ...registry, rules: new Map([...registry.rules].filter(([known]) => known !== ref)) };
        },
      },
      sensors: (): SensorState[] => [
        { ref: "demo.watcher", status: "running", pid: 4711, restarts: 2, reason: null, lastExit: null },
      ],
      sensorLog: () => engine.sensorLines,
      async *followSensorLog(_ref, signal) {
        yield* engine.sensorLines;
        engine.followers++;
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
        engine.followers--;
      },
      output(id) {
        const output = outputs.get(id);
        return output && running.has(id) ? liveOutput(output) : null;
      },
      started: async () => {},
      finished: async (id, signal) => {
        const aborted = Promise.withResolvers<never>();
        signal.addEventListener("abort", () => aborted.reject(signal.reason), { once: true });
        signal.throwIfAborted();
        await Promise.race([outputs.get(id)?.ended.promise, aborted.promise]);
      },
    },
  };

  function start(id: string, action: string, parameters: JsonObject): void {
    const output = { chunks: [] as OutputChunk[], ended: Promise.withResolvers<void>(), more: Promise.withResolvers<void>() };
    outputs.set(id, output);
    executions.set(id, { ...record(id, action), parameters });
    const handle: Running = {
      print(stream, text) {
        output.chunks.push({ stream, text });
        output.more.resolve();
        output.more = Promise.withResolvers();
      },
      end(result) {
        executions.set(id, { ...record(id, action), parameters, status: "completed", exit_code: 0, finished: time, ...result });
        running.delete(id);
        output.ended.resolve();
        output.more.resolve();
      },
    };
    running.set(id, handle);
    const immediate = engine.endAtOnce.get(action);
    for (const { stream, text } of immediate?.print ?? []) handle.print(stream, text);
    if (immediate) handle.end(immediate.result);
  }
  return engine;
}

async function* liveOutput(output: {
  chunks: OutputChunk[];
  ended: PromiseWithResolvers<void>;
  more: PromiseWithResolvers<void>;
}) {
  let ended = false;
  void output.ended.promise.then(() => {
    ended = true;
  });
  for (let next = 0; ; ) {
    const more = output.more.promise;
    while (next < output.chunks.length) yield output.chunks[next++] as OutputChunk;
    await Promise.resolve();
    if (ended) return;
    await more;
  }
}

export function record(id: string, action: string): ExecutionRecord {
  return {
    id,
    action_ref: action,
    rule_ref: null,
    event_id: null,
    enforcement_id: null,
    status: "running",
    parameters: {},
    result: null,
    exit_code: null,
    error: null,
    attempt: 1,
    snapshot: null,
    created: time,
    started: time,
    finished: null,
  };
}

/** The pack `demo` at its last reload. */
export const reloaded: PackHistoryRecord = {
  id: 1,
  created: time,
  version: "1.2.3",
  snapshot: "0123456789abcdef",
  added: ["demo.greet", "demo.wait"],
  changed: ["demo"],
  removed: ["demo.old"],
  errors: [{ file: "actions/bad.yaml", line: 3, column: 7, message: "unknown type", hint: "write string" }],
  timing: { watch_ms: 2.5, parse_ms: 1.2, database_ms: 4, publish_ms: 0.3 },
  ms: 8,
};

function memoryHistory(executions: Map<string, ExecutionRecord>, outputs: Map<string, { chunks: OutputChunk[] }>): History {
  const none = async (_filter: unknown, page: Page): Promise<Slice<never>> => slice([], page);
  return {
    async executions(filter, page) {
      const all = [...executions.values()].reverse();
      const wanted = Object.entries(filter).filter(([, value]) => value !== undefined);
      return slice(
        all.filter((one) => wanted.every(([key, value]) => one[key as keyof ExecutionRecord] === value)),
        page,
      );
    },
    execution: async (id) => executions.get(id) ?? null,
    async output(id, stream) {
      const text = (outputs.get(id)?.chunks ?? [])
        .filter((chunk) => chunk.stream === stream)
        .map((chunk) => chunk.text)
        .join("");
      return text === "" ? null : { content: new TextEncoder().encode(text), totalBytes: text.length };
    },
    events: none,
    event: async () => null,
    enforcements: none,
    enforcement: async () => null,
    packHistory: async (ref, page) => slice(ref === "demo" ? [reloaded] : [], page),
  };
}

export interface TestApi extends AsyncDisposable {
  readonly url: string;
  readonly engine: Engine;
  /** A request with the token; `init` may replace its headers. */
  request(path: string, init?: RequestInit): Promise<Response>;
}

export async function startTestApi(options: { engine?: Engine; allowedHosts?: string[] } = {}): Promise<TestApi> {
  const engine = options.engine ?? createEngine();
  const scope = createScope("test api", silentLogger);
  const { url } = await startApi({
    host: "127.0.0.1",
    port: 0,
    token,
    allowedHosts: options.allowedHosts ?? [],
    services: engine.services,
    log: silentLogger,
    scope,
  });
  return {
    url,
    engine,
    request: (path, init = {}) => fetch(url + path, { ...init, headers: { Authorization: `Bearer ${token}`, ...init.headers } }),
    [Symbol.asyncDispose]: () => scope.end(),
  };
}
