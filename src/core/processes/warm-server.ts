import { closeSync, openSync } from "node:fs";
import { memoryFile, messageSockets, sendDescriptors } from "../libc.ts";
import type { Logger, WarmServer } from "../plugin.ts";
import { attend, type Child, type ChildSpec, type Exit } from "./child.ts";
import { createLineSplitter } from "./lines.ts";
import type { Orphans } from "./orphans.ts";
import { openOutput, pipeOr, readPipe } from "./output.ts";
import { parseReply } from "./warm-replies.ts";

/** One running fork server. */
export interface ForkServer {
  /** It takes requests. */
  readonly ready: boolean;
  /** It is not to be asked any more: it has ended, was told to, or what it was started from has changed. */
  readonly over: boolean;
  /** Children that it has started, or is about to. */
  readonly running: number;
  /** Of the last start or end, in terms of `performance.now()`. */
  readonly lastUsed: number;
  /** Starts what the spec says; null when it did not and never will. */
  start(spec: ChildSpec): Promise<Child | null>;
  /** It ends by itself once its children have. */
  retire(): void;
  kill(): void;
  /** Resolves when it has ended; `planned` when it was told to. */
  readonly gone: Promise<{ readonly planned: boolean }>;
}

interface Request {
  readonly started: PromiseWithResolvers<number | null>;
  readonly ended: PromiseWithResolvers<Exit>;
  pid: number | null;
}

const lineLimit = 4_096;

/**
 * Runs a fork server, which gets requests on descriptor 3 and answers on descriptor 4 (docs/plugins.md). Each process it
 * forks says itself that it starts, before any code of the script runs, and lets go of the pipe for answers then. So the end
 * of that pipe is the last word about a server that was killed: what has not said that it starts never will.
 */
export function startForkServer(
  server: WarmServer,
  options: {
    readonly start: (spec: ChildSpec) => Child;
    readonly environment: Readonly<Record<string, string>>;
    readonly orphans: Orphans;
    /** Milliseconds that it may take to start a process before it is taken for stuck. */
    readonly startLimit: number;
    readonly log: Logger;
  },
): ForkServer {
  const { log } = options;
  const requests = new Map<string, Request>();
  let count = 0;
  let ready = false;
  let retired = false;
  let ended = false;
  let lastUsed = performance.now();

  const tell = (line: string) => void (line !== "" && log.warn(line, { server: server.argv[0] }));
  const lines = createLineSplitter(lineLimit, tell, () => {});
  const [socket, theirSocket] = messageSockets();
  const [answers, theirAnswers] = pipeOr(() => {
    closeSync(socket);
    closeSync(theirSocket);
  });
  let process_: Child;
  try {
    process_ = options.start({
      argv: server.argv,
      cwd: "/",
      packDir: "/",
      env: { ...options.environment, ...server.env },
      stdin: "none",
      descriptors: [theirSocket, theirAnswers],
      onStdout: lines.push,
      onStderr: lines.push,
    });
  } catch (thrown) {
    closeSync(socket);
    closeSync(answers);
    throw thrown;
  } finally {
    closeSync(theirSocket);
    closeSync(theirAnswers);
  }

  function take(line: string): void {
    const reply = parseReply(line);
    if (reply?.kind === "ready") ready = true;
    else if (reply?.kind === "outdated") retire();
    else if (reply) answer(reply);
  }
  function answer(reply: Exclude<ReturnType<typeof parseReply>, null | { kind: "ready" | "outdated" }>): void {
    const request = requests.get(reply.id);
    if (!request) return;
    lastUsed = performance.now();
    if (reply.kind === "started") {
      request.pid = reply.pid;
      request.started.resolve(reply.pid);
      return;
    }
    requests.delete(reply.id);
    // One that ends without having said that it starts was killed before it came to the script.
    request.started.resolve(null);
    if (reply.kind === "ended") request.ended.resolve(reply.exit);
  }

  function retire(): void {
    if (retired || ended) return;
    retired = true;
    closeSync(socket);
  }

  const splitter = createLineSplitter(lineLimit, take, () => {});
  const gone = readPipe(answers, splitter.push)
    .done.catch((thrown) => log.error("the answers of a fork server can't be read", { error: String(thrown) }))
    .then(async () => {
      const planned = retired;
      ready = false;
      retire();
      ended = true;
      process_.signal("SIGKILL");
      for (const { pid, started, ended: end } of requests.values()) {
        if (pid === null) started.resolve(null);
        else options.orphans.collect(pid).then(end.resolve, end.reject);
      }
      requests.clear();
      await process_.exited;
      return { planned };
    });

  async function start(spec: ChildSpec): Promise<Child | null> {
    if (!ready || retired || ended) return null;
    const id = String(count++);
    const request: Request = { started: Promise.withResolvers(), ended: Promise.withResolvers(), pid: null };
    request.ended.promise.catch(() => {}); // Told to whoever waits for the child.
    const output = openOutput();
    requests.set(id, request);
    lastUsed = performance.now();
    const sent = send(socket, id, spec, output);
    output.closeWriteEnds();
    if (!sent) {
      requests.delete(id);
      output.discard();
      return null;
    }
    const stuck = setTimeout(() => process_.signal("SIGKILL"), options.startLimit);
    const pid = await request.started.promise;
    clearTimeout(stuck);
    if (pid === null) {
      output.discard();
      return null;
    }
    return attend({ pid, ended: request.ended.promise, output: output.read(spec), stdin: null });
  }

  return {
    get ready() {
      return ready && !retired;
    },
    get over() {
      return retired || ended;
    },
    get running() {
      return requests.size;
    },
    get lastUsed() {
      return lastUsed;
    },
    start,
    retire,
    kill: () => process_.signal("SIGKILL"),
    gone,
  };
}

function send(socket: number, id: string, spec: ChildSpec, output: { stdout: number; stderr: number }): boolean {
  const own: number[] = [];
  try {
    own.push(memoryFile(JSON.stringify({ argv: spec.argv, env: spec.env, cwd: spec.cwd })));
    own.push(typeof spec.stdin === "object" ? memoryFile(spec.stdin.text) : openSync("/dev/null", "r"));
    return sendDescriptors(socket, id, [...own, output.stdout, output.stderr]);
  } catch {
    return false; // No descriptor is left, or the text is too large: a cold start says it as always.
  } finally {
    for (const descriptor of own) closeSync(descriptor);
  }
}
