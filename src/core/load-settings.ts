import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { findConfig, resolveSettings, type Settings } from "./config.ts";
import type { Environment } from "./environment.ts";
import { loadModule } from "./modules.ts";

/** Finds, loads and checks the config file in force, and applies the environment. Throws CONFIG_INVALID. */
export async function loadSettings(options: { explicit: string | undefined; cwd: string; env: Environment }): Promise<Settings> {
  const { cwd, env } = options;
  const configFile = findConfig(options);
  if (!configFile) return resolveSettings({}, { configFile, cwd, env });
  // Where the data directory lies is known only once the config has been read.
  const scratch = await mkdtemp(path.join(tmpdir(), "attune-config-"));
  try {
    return resolveSettings(await loadModule(configFile, scratch, "CONFIG_INVALID"), { configFile, cwd, env });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
