import { asksForPackages, copyManifests } from "../../core/manifest-files.ts";
import type { EnvironmentRecipe } from "../../core/plugin.ts";

const locks = ["bun.lock", "bun.lockb", "package-lock.json"];

/**
 * `node_modules` with the dependencies of `package.json`, installed by the daemon's own executable, which is also Bun's package
 * manager. Scripts of packages are not run.
 */
export const bunEnvironment: EnvironmentRecipe = {
  manifests: ["package.json", ...locks],
  async create(target) {
    const { pack, manifests, dir, settings } = target;
    if (!manifests.includes("package.json") || !(await asksForPackages(pack.dir))) return [];
    await copyManifests(target);
    // The address may have a password in it, and everybody on the machine sees arguments.
    const registry = settings.npmRegistry === null ? {} : { BUN_CONFIG_REGISTRY: settings.npmRegistry };
    const locked = manifests.some((name) => locks.includes(name)) ? ["--frozen-lockfile"] : ["--no-save"];
    return [
      {
        argv: [
          ...([process.execPath, "install", "--cwd", dir, "--config=/dev/null", "--production", "--ignore-scripts"] as const),
          // A link to the cache would let a script change what other packs get.
          ...["--no-progress", "--backend=copyfile", ...locked],
        ],
        env: { BUN_BE_BUN: "1", ...registry },
      },
    ];
  },
};
