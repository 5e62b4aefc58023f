/**
 * The plugin contract: everything a plugin author sees. It imports nothing from the rest of the core, and the built-in
 * plugins are written against it exactly as a user's are.
 *
 * Lifecycle of a plugin:
 * 1. its file is loaded and its shape checked (`api`, `kind`, names of hooks);
 * 2. a storage or transport is opened once, at start, with a {@link Scope}; a runtime is probed;
 * 3. it is used until the daemon stops or, for runtimes, until its file changes;
 * 4. its scope ends: cleanups run last first, also when opening failed half-way.
 */

import type { Hooks } from "./plugin-hooks.ts";

export type * from "./plugin-hooks.ts";

export type Awaitable<T> = T | Promise<T>;
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export interface Logger {
  debug(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
  child(fields: object): Logger;
}

/** Lifetime of a plugin, a pack or a process. What is acquired through it ends with it. */
export interface Scope {
  readonly name: string;
  /** Aborted when the scope starts to end, before the first cleanup runs. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Cleanups run last first; each is awaited, and all run even when one throws. Returns its own undo. */
  defer(cleanup: () => Awaitable<void>): () => void;
  /** Runs `task` every `ms` milliseconds. It never overlaps itself and never outlives the scope. */
  every(ms: number, task: (signal: AbortSignal) => Awaitable<void>): () => void;
  /** A scope that ends no later than this one. */
  child(name: string): ChildScope;
}
export interface ChildScope extends Scope, AsyncDisposable {
  end(): Promise<void>;
}

interface PluginBase<Kind extends string> {
  readonly kind: Kind;
  readonly name: string;
  /** Version of this contract the plugin was written for. */
  readonly api: 1;
  readonly description?: string;
  readonly hooks?: Hooks;
}
export type Plugin = RuntimePlugin | StoragePlugin | TransportPlugin | HooksPlugin;

/** A plugin that only listens or filters. */
export interface HooksPlugin extends PluginBase<"hooks"> {
  readonly hooks: Hooks;
  /** Runs when this version of the plugin takes over; what it acquires through the scope ends with this version. */
  setup?(context: OpenContext): Awaitable<void>;
}

/** Says how to start a script. The core spawns, delivers parameters, reads, times out, limits and kills. */
export interface RuntimePlugin extends PluginBase<"runtime"> {
  /** Other words a pack may write as `runner_type`. */
  readonly aliases?: readonly string[];
  /** File name endings, such as `[".awk"]`, used when a component names no runtime. */
  readonly extensions?: readonly string[];
  /**
   * Is the interpreter here? Throwing means no, and the message is shown to the operator as the reason. Several versions
   * that are installed side by side are given as a list, the one to use when nothing is asked for first.
   */
  probe?(context: ProbeContext): Awaitable<Interpreter | readonly [Interpreter, ...Interpreter[]]>;
  launch(target: LaunchTarget): Awaitable<Launch>;
  /** How the packages that a pack asks for are installed for it. */
  readonly environment?: EnvironmentRecipe;
  /** As of {@link HooksPlugin}. */
  setup?(context: OpenContext): Awaitable<void>;
}
export interface ProbeContext {
  readonly log: Logger;
  readonly signal: AbortSignal;
}
export interface Interpreter {
  /** Absolute path of the program that runs the scripts. */
  readonly path?: string;
  readonly version?: string;
}
export interface LaunchTarget {
  readonly kind: "action" | "sensor";
  readonly ref: string;
  /** Absolute path of the script, already checked to lie inside its pack; the script's text when `inline`. */
  readonly entrypoint: string;
  /** Only ever true for the built-in shell runtime. */
  readonly inline: boolean;
  readonly pack: { readonly ref: string; readonly dir: string };
  /** What `probe` found; empty for a runtime without `probe`. */
  readonly interpreter: Interpreter;
  /** Directory of the pack's own environment, ready to be used; null when the pack has none. */
  readonly environment: string | null;
}
export interface Launch {
  readonly argv: readonly [string, ...string[]];
  /** Added to the clean environment of the child; cannot override `ATTUNE_*`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the pack's directory. */
  readonly cwd?: string;
  /** Replaces what the core would write to stdin. */
  readonly stdin?: string;
  /** A server that can start the same quicker. */
  readonly warm?: WarmServer;
}
/**
 * A fork server that speaks the core's protocol (docs/plugins.md). One runs for each distinct `argv` and `env`; it is
 * asked to do what `argv`, `env` and `cwd` of the launch say, and may decline.
 */
export interface WarmServer {
  readonly argv: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * How a pack's own environment is made. It gets a directory of its own outside the pack, named by all that decides its
 * content, and is made anew only when one of these changes; until then the one before stays in use.
 */
export interface EnvironmentRecipe {
  /**
   * Files at the root of a pack that state its dependencies. A pack with none of them has no environment; an empty list
   * means that every pack has one.
   */
  readonly manifests: readonly string[];
  /**
   * The commands that make the environment. They are run one after the other, in the pack's directory. An empty list: there
   * is nothing to install, and the pack has no environment.
   */
  create(target: EnvironmentTarget): Awaitable<readonly EnvironmentStep[]>;
}
export interface EnvironmentTarget {
  readonly pack: { readonly ref: string; readonly dir: string };
  /** Those of the recipe's manifests that the pack has. */
  readonly manifests: readonly string[];
  readonly interpreter: Interpreter;
  /** Absolute path of the directory to fill; it is there and empty. */
  readonly dir: string;
  readonly settings: EnvironmentSettings;
}
export interface EnvironmentStep {
  readonly argv: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
}
/** `environments` of the configuration. */
export interface EnvironmentSettings {
  /** What installs Python packages: `auto` is uv when it is on the PATH and pip otherwise. */
  readonly installer: "auto" | "uv" | "pip";
  /** Base URL of the Python package index; null: the installer's own default. */
  readonly index: string | null;
  /** Directories or URLs in which Python packages are looked for as well. */
  readonly findLinks: readonly string[];
  /** Take Python packages from `findLinks` only. */
  readonly offline: boolean;
  /** Base URL of the npm registry; null: npm's own default. */
  readonly npmRegistry: string | null;
}

/** What a storage or transport is opened with. */
export interface OpenContext {
  readonly scope: Scope;
  readonly log: Logger;
  /** Private directory of the daemon, absolute, mode 0700. */
  readonly dataDir: string;
  readonly projectDir: string;
}

/** PostgreSQL, wherever it runs. Opened once, before any pack loads; closed after the last job ended. */
export interface StoragePlugin extends PluginBase<"storage"> {
  open(context: OpenContext): Promise<Storage>;
}
export interface Rows<R> {
  readonly rows: R[];
  readonly rowCount: number;
}
export interface Sql {
  /**
   * With `values`, be it an empty list, one statement, which may be planned once and used again; without, one or several,
   * planned each time. Objects and arrays bound to json columns are
   * passed as JSON text. Rejects with a `retryable` AttuneError `DATABASE_UNAVAILABLE` when the server can't be reached.
   */
  query<R = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Rows<R>>;
}
export interface Storage extends Sql {
  /** For the operator, without password: `embedded PostgreSQL 18.4` or `PostgreSQL 16.2 at db.example:5432/attune`. */
  readonly description: string;
  /** Commits when `run` resolves and rolls back when it rejects. Statements may be issued without awaiting the one before. */
  transaction<T>(run: (tx: Sql) => Promise<T>): Promise<T>;
}

/** Moves events from where they were accepted to where they are handled, at least once. */
export interface TransportPlugin extends PluginBase<"transport"> {
  open(context: OpenContext): Promise<Transport>;
}
export interface Transport {
  /** For the operator: `in-process` or `NATS JetStream 2.12.7 at 127.0.0.1:4222`. */
  readonly description: string;
  /**
   * Resolves when the event is safe: stored by the transport, or handled. A second publish with the same id is harmless.
   * Rejects with a `retryable` AttuneError `TRANSPORT_UNAVAILABLE` when it can't take the event now.
   *
   * Many calls may be under way. They take effect in their order, so that an event's checkpoint is never stored before what
   * its sensor said earlier: when one rejects, so do those that were called after it and are not settled yet.
   */
  publish(event: EventMessage): Promise<void>;
  /**
   * Hands batches of at most 64 events to `handle`, one batch at a time. When it resolves they are done for; when it
   * rejects they are delivered again later.
   */
  subscribe(handle: (batch: readonly EventMessage[]) => Promise<void>): Promise<AsyncDisposable>;
}

/** One occurrence of a trigger, on its way. */
export interface EventMessage {
  /** UUID; the key of idempotency all the way to the execution. */
  readonly id: string;
  /** Ref of the trigger, `pack.name`. */
  readonly trigger: string;
  /** Ref of the sensor; null when it came through the API. */
  readonly sensor: string | null;
  /** Ref of the only rule it is for; null: all rules of the trigger. */
  readonly rule: string | null;
  /** When it was accepted, RFC 3339. */
  readonly at: string;
  readonly payload: JsonObject;
  /** State of the sensor for that rule, stored with the event and handed back when the sensor starts. */
  readonly checkpoint?: JsonObject;
}
