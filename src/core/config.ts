import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { configCheck } from "./config-check.ts";
import type { Environment } from "./environment.ts";
import { AttuneError } from "./errors.ts";
import type { LogLevel, LogOptions } from "./log.ts";
import type { EnvironmentSettings, HooksPlugin, JsonObject, RuntimePlugin, StoragePlugin, TransportPlugin } from "./plugin.ts";

/** What `attune.config.ts` exports through `defineConfig`. Every key may be left out; paths are relative to the file. */
export interface AttuneConfig {
  /** Default: `.attune` beside the config file. `ATTUNE_DATA_DIR` overrides. */
  dataDir?: string;
  packs?: PacksConfig;
  plugins?: {
    /** Where plugin files are looked for. Default: `plugins`. */
    directory?: string | string[];
    /** Plugins given as values, and npm packages of which the default export is one, by name. */
    use?: (RuntimePlugin | HooksPlugin | string)[];
    /** Refs of the packs whose `runtimes/*.ts` may run inside the daemon. Default: none. */
    trustedPacks?: string[];
  };
  /** Runtimes that may be used, by ref or name; those listed are not verified first. Default: all. */
  runtimes?: {
    /** `ATTUNE_WORKER_RUNTIMES` (separated by commas) overrides. */
    actions?: string[];
    /** `ATTUNE_SENSOR_RUNTIMES` overrides. */
    sensors?: string[];
  };
  /** How the packages that packs ask for are installed. */
  environments?: Partial<EnvironmentSettings> & {
    /** Seconds that making one may take. Default 900. */
    timeout?: number;
  };
  /** Servers that start scripts quicker. `false` turns them off. */
  warm?:
    | boolean
    | {
        /** Seconds after which a server without work ends. Default 300. */
        idle?: number;
      };
  /** `postgres()` (embedded) or `postgres({ url })`. `DATABASE_URL` overrides. */
  storage?: StoragePlugin;
  /** `local()` or `nats({ url })`. `NATS_URL` overrides. */
  transport?: TransportPlugin;
  api?: {
    /** Default 127.0.0.1. `ATTUNE_API_HOST` overrides. */
    host?: string;
    /** Default: 8080, or the next free port when it is taken. `ATTUNE_API_PORT` overrides. */
    port?: number;
    /** Names other than localhost that may stand in a request's Host header. */
    allowedHosts?: string[];
  };
  log?: {
    /** Default info. `ATTUNE_LOG_LEVEL` overrides. */
    level?: LogLevel;
    /** Default: for people on a terminal, JSON lines otherwise. `ATTUNE_LOG_FORMAT` overrides. */
    format?: LogOptions["format"];
  };
  environment?: {
    /** Names of variables of the daemon that actions and sensors get too. */
    pass?: string[];
  };
  limits?: {
    /** Actions that run at once. Default: twice the cores, at least 4. */
    concurrency?: number;
    /** Seconds an action may run when it states no timeout of its own. Default 300. */
    actionTimeout?: number;
    /** Seconds between SIGTERM and SIGKILL. Default 10. */
    grace?: number;
    /** Bytes kept of each output stream of an execution, half of its head and half of its tail. Default 10 MiB. */
    output?: number;
  };
}

/** The seed's form: `directory`, `auto_load`, and each other key the settings of the pack of that name. */
export interface PacksConfig {
  /** Default: `packs`. */
  directory?: string | string[];
  /** Refs of the packs to load. Default: all. */
  auto_load?: string[];
  config?: Record<string, PackSettings>;
  [pack: string]: PackSettings | Record<string, PackSettings> | string | string[] | undefined;
}
export interface PackSettings {
  /** Seconds no action of the pack may exceed. */
  max_action_timeout?: number;
  enable_debug_logging?: boolean;
  /** Any other key is the pack's own configuration. */
  [key: string]: unknown;
}

/** The configuration after defaults and overrides; paths absolute. */
export interface Settings {
  readonly configFile: string | null;
  readonly projectDir: string;
  readonly dataDir: string;
  readonly packs: {
    readonly directories: readonly string[];
    readonly autoLoad: readonly string[] | null;
    readonly byPack: ReadonlyMap<
      string,
      { readonly maxActionTimeout: number | null; readonly debug: boolean; readonly config: JsonObject }
    >;
  };
  readonly plugins: {
    readonly directories: readonly string[];
    readonly use: readonly (RuntimePlugin | HooksPlugin | string)[];
    readonly trustedPacks: readonly string[];
  };
  /** null: all. */
  readonly runtimes: { readonly actions: readonly string[] | null; readonly sensors: readonly string[] | null };
  /** `timeout` in seconds. */
  readonly environments: EnvironmentSettings & { readonly timeout: number };
  /** null: off. */
  readonly warm: { readonly idle: number } | null;
  readonly storage: StoragePlugin | null;
  readonly transport: TransportPlugin | null;
  readonly databaseUrl: string | null;
  readonly natsUrl: string | null;
  readonly api: { readonly host: string; readonly port: number | null; readonly allowedHosts: readonly string[] };
  readonly log: LogOptions;
  readonly passEnvironment: readonly string[];
  readonly limits: {
    readonly concurrency: number;
    readonly actionTimeout: number;
    readonly grace: number;
    readonly output: number;
  };
}

/**
 * The config file in force: `--config`, `ATTUNE_CONFIG`, `attune.config.ts` in the working directory or the nearest parent
 * that has one, `/etc/attune/attune.config.ts`; null when there is none.
 */
export function findConfig(options: { explicit: string | undefined; cwd: string; env: Environment }): string | null {
  const named = options.explicit ?? options.env["ATTUNE_CONFIG"];
  if (named) {
    const file = path.resolve(options.cwd, named);
    if (!existsSync(file)) throw new AttuneError("CONFIG_INVALID", `the config file ${file} does not exist`);
    return file;
  }
  for (let dir = options.cwd; ; dir = path.dirname(dir)) {
    const file = path.join(dir, "attune.config.ts");
    if (existsSync(file)) return file;
    if (dir === path.dirname(dir)) break;
  }
  const system = "/etc/attune/attune.config.ts";
  return existsSync(system) ? system : null;
}

/** Checks a config value, fills in defaults and applies the environment. Throws CONFIG_INVALID naming the key. */
export function resolveSettings(
  config: unknown,
  context: { configFile: string | null; cwd: string; env: Environment },
): Settings {
  const { configFile } = context;
  // An empty variable counts as none.
  const env = (name: string) => context.env[name] || undefined;
  const check = configCheck(configFile ?? "configuration");
  const root = check.object(config, "", [
    "dataDir",
    "packs",
    "plugins",
    "runtimes",
    "environments",
    "warm",
    "storage",
    "transport",
    "api",
    "log",
    "environment",
    "limits",
  ]);
  const projectDir = configFile ? path.dirname(configFile) : context.cwd;
  const inProject = (relative: string) => path.resolve(projectDir, relative);

  const packs = check.object(root["packs"], "packs");
  const plugins = check.object(root["plugins"], "plugins", ["directory", "use", "trustedPacks"]);
  const runtimes = check.object(root["runtimes"], "runtimes", ["actions", "sensors"]);
  const environments = check.object(root["environments"], "environments", [
    "installer",
    "index",
    "findLinks",
    "offline",
    "npmRegistry",
    "timeout",
  ]);
  const warm = typeof root["warm"] === "boolean" ? {} : check.object(root["warm"], "warm", ["idle"]);
  const api = check.object(root["api"], "api", ["host", "port", "allowedHosts"]);
  const log = check.object(root["log"], "log", ["level", "format"]);
  const environment = check.object(root["environment"], "environment", ["pass"]);
  const limits = check.object(root["limits"], "limits", ["concurrency", "actionTimeout", "grace", "output"]);

  const { directory, auto_load, config: nested, ...flat } = packs;
  const byPack = new Map<string, { maxActionTimeout: number | null; debug: boolean; config: JsonObject }>();
  for (const [where, settings] of [
    ["packs", flat],
    ["packs.config", check.object(nested, "packs.config")],
  ] as const) {
    for (const [pack, value] of Object.entries(settings)) {
      const at = `${where}.${pack}`;
      const { max_action_timeout, enable_debug_logging, ...own } = check.object(value, at);
      byPack.set(pack, {
        maxActionTimeout: check.number(max_action_timeout, `${at}.max_action_timeout`, 1) ?? null,
        debug: check.boolean(enable_debug_logging, `${at}.enable_debug_logging`) ?? false,
        config: own as JsonObject,
      });
    }
  }

  const portText = env("ATTUNE_API_PORT");
  const port =
    portText === undefined
      ? check.integer(api["port"], "api.port", 0, 65_535)
      : check.integer(/^\d+$/.test(portText) ? Number(portText) : portText, "ATTUNE_API_PORT", 0, 65_535);
  return {
    configFile,
    projectDir,
    // What stands in the environment is relative to where it was said, as for the CLI.
    dataDir: env("ATTUNE_DATA_DIR")
      ? path.resolve(context.cwd, env("ATTUNE_DATA_DIR") ?? "")
      : inProject(check.string(root["dataDir"], "dataDir") ?? ".attune"),
    packs: {
      directories: (check.strings(directory, "packs.directory") ?? ["packs"]).map(inProject),
      autoLoad: check.strings(auto_load, "packs.auto_load") ?? null,
      byPack,
    },
    plugins: {
      directories: (check.strings(plugins["directory"], "plugins.directory") ?? ["plugins"]).map(inProject),
      use: check.plugins(plugins["use"]),
      trustedPacks: check.strings(plugins["trustedPacks"], "plugins.trustedPacks") ?? [],
    },
    runtimes: {
      actions: listOf(env("ATTUNE_WORKER_RUNTIMES")) ?? check.strings(runtimes["actions"], "runtimes.actions") ?? null,
      sensors: listOf(env("ATTUNE_SENSOR_RUNTIMES")) ?? check.strings(runtimes["sensors"], "runtimes.sensors") ?? null,
    },
    environments: {
      installer: check.oneOf(environments["installer"], "environments.installer", installers) ?? "auto",
      index: check.string(environments["index"], "environments.index") ?? null,
      findLinks: (check.strings(environments["findLinks"], "environments.findLinks") ?? []).map((place) =>
        place.includes("://") ? place : inProject(place),
      ),
      offline: check.boolean(environments["offline"], "environments.offline") ?? false,
      npmRegistry: check.string(environments["npmRegistry"], "environments.npmRegistry") ?? null,
      timeout: check.number(environments["timeout"], "environments.timeout", 1, 86_400) ?? 900,
    },
    warm: root["warm"] === false ? null : { idle: check.number(warm["idle"], "warm.idle", 1, 86_400) ?? 300 },
    storage: check.plugin(root["storage"], "storage") as StoragePlugin | null,
    transport: check.plugin(root["transport"], "transport") as TransportPlugin | null,
    databaseUrl: env("DATABASE_URL") ?? null,
    natsUrl: env("NATS_URL") ?? null,
    api: {
      host: env("ATTUNE_API_HOST") ?? check.string(api["host"], "api.host") ?? "127.0.0.1",
      port: port ?? null,
      allowedHosts: check.strings(api["allowedHosts"], "api.allowedHosts") ?? [],
    },
    log: {
      level:
        check.oneOf(env("ATTUNE_LOG_LEVEL"), "ATTUNE_LOG_LEVEL", levels) ??
        check.oneOf(log["level"], "log.level", levels) ??
        "info",
      format:
        check.oneOf(env("ATTUNE_LOG_FORMAT"), "ATTUNE_LOG_FORMAT", formats) ??
        check.oneOf(log["format"], "log.format", formats) ??
        "auto",
    },
    passEnvironment: check.strings(environment["pass"], "environment.pass") ?? [],
    limits: {
      concurrency:
        check.integer(limits["concurrency"], "limits.concurrency", 1, 1_000) ?? Math.max(4, 2 * availableParallelism()),
      actionTimeout: check.number(limits["actionTimeout"], "limits.actionTimeout", 1, 86_400) ?? 300,
      grace: check.number(limits["grace"], "limits.grace", 0, 3_600) ?? 10,
      output: check.integer(limits["output"], "limits.output", 1_024, 100 * 1024 * 1024) ?? 10 * 1024 * 1024,
    },
  };
}

function listOf(text: string | undefined): string[] | undefined {
  return text
    ?.split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

const installers = ["auto", "uv", "pip"] as const;
const levels = ["debug", "info", "warn", "error"] as const;
const formats = ["auto", "pretty", "json"] as const;
