import { existsSync, readdirSync } from "node:fs";
import path from "node:path";

/** A file that is, or should be, a plugin. */
export interface Source {
  /** Absolute. */
  readonly file: string;
  /** What it is called until it says its name itself. */
  readonly name: string;
  /** Of the refs of its runtimes: `local`, or the pack it lies in. */
  readonly namespace: string;
  readonly from: "file" | "package";
  /** A pack may bring only runtimes. */
  readonly runtimesOnly: boolean;
  /** Why its file is not there. */
  readonly missing: string | null;
  /** false: it lies in a pack that is not trusted, and is only told of. */
  readonly trusted: boolean;
}

const endings = /\.(?:ts|mts|js|mjs)$/;

/** Whether an entry of a plugin directory may be a plugin: no editor's backup, no helper, no declaration file. */
function isPluginName(name: string): boolean {
  return !/^[._#]|~$|\.d\.m?ts$/.test(name) && !/\.(?:bak|orig|rej|swp|tmp)\b/.test(name);
}

/** The plugin files directly in `directory`, by name, each as the path to load; none when it does not exist. */
function pluginFiles(directory: string): { readonly name: string; readonly file: string }[] {
  return entriesOf(directory)
    .filter(isPluginName)
    .flatMap((entry) => {
      const file = path.join(directory, entry);
      if (endings.test(entry)) return [{ name: entry.replace(endings, ""), file }];
      const index = path.join(file, "index.ts");
      return existsSync(index) ? [{ name: entry, file: index }] : [];
    });
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return []; // It may be made later; one that can't be read has nothing to offer either.
  }
}

/** The npm package of that name, as it is found from the project's directory. */
export function packageSource(name: string, projectDir: string): Source {
  const common = { name, namespace: "local", from: "package", runtimesOnly: false, trusted: true } as const;
  try {
    return { ...common, file: Bun.resolveSync(name, projectDir), missing: null };
  } catch {
    const missing = `there is no package ${name} in ${projectDir}`;
    return { ...common, file: path.join(projectDir, "node_modules", name), missing };
  }
}

/** The files in plugin directories, and then those that packs bring, by name within each. */
export function fileSources(options: {
  directories: readonly string[];
  packs: readonly { readonly ref: string; readonly dir: string }[];
  trustedPacks: readonly string[];
}): Source[] {
  const own = options.directories.flatMap((directory) =>
    pluginFiles(directory).map(
      (one): Source => ({ ...one, namespace: "local", from: "file", runtimesOnly: false, missing: null, trusted: true }),
    ),
  );
  const ofPacks = options.packs.flatMap(({ ref, dir }) =>
    pluginFiles(path.join(dir, "runtimes")).map(
      (one): Source => ({
        ...one,
        namespace: ref,
        from: "file",
        runtimesOnly: true,
        missing: null,
        trusted: options.trustedPacks.includes(ref),
      }),
    ),
  );
  return [...own, ...ofPacks];
}
