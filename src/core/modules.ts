import { createHash } from "node:crypto";
import { lstatSync, realpathSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { AttuneError, type Position, toError } from "./errors.ts";

/**
 * Makes `import ... from "attune"` work in config and plugin files: they get the daemon's own objects, with nothing
 * installed beside them. `testing` gives what `attune/testing` exports, when it is asked for.
 */
export function provideSdk(exports: object, testing: () => Promise<object>): void {
  Bun.plugin({
    name: "attune",
    setup(build) {
      build.module("attune", () => ({ exports: { ...exports, default: exports }, loader: "object" }));
      build.module("attune/testing", async () => ({ exports: { ...(await testing()) }, loader: "object" }));
    },
  });
}

type Code = "CONFIG_INVALID" | "PLUGIN_INVALID";

/** A file of the user and all it imports, as one module. */
export interface Bundle {
  /** Of the file's path and everything it is made of. */
  readonly hash: string;
  /** JavaScript; its stack traces name the original files. */
  readonly text: string;
}

/**
 * Bundles a TypeScript or JavaScript file with its helpers. Every file that is read is added to `inputs`, as an absolute
 * path, also when bundling fails. Throws `code` with file, line and column for what does not build, and for what others
 * could have written when this runs as root.
 */
export async function bundleModule(file: string, code: Code, inputs = new Set<string>()): Promise<Bundle> {
  inputs.add(file);
  refuseForeignFile(file, code);
  const cwd = process.cwd();
  const built = await Bun.build({
    entrypoints: [file],
    target: "bun",
    external: ["attune", "attune/*"],
    sourcemap: "external",
    throw: false,
    plugins: [
      {
        name: "inputs",
        setup: (build) => {
          build.onLoad({ filter: /./ }, ({ path: input }) => {
            inputs.add(input);
            return undefined;
          });
        },
      },
    ],
  });
  const failure = built.logs.find((log) => log.level === "error");
  const script = built.outputs.find((output) => output.kind === "entry-point");
  const map = built.outputs.find((output) => output.kind === "sourcemap");
  if (failure || !script || !map) {
    const position = failure?.position;
    throw new AttuneError(code, failure?.message ?? "the file could not be built", {
      at: position ? { file: position.file || file, line: position.line, column: position.column } : { file },
      hint: failure?.message.includes("Could not resolve") ? "install it beside the file, or write the path with ./" : undefined,
    });
  }
  for (const input of inputs) refuseForeignFile(input, code);
  const text = `${await script.text()}${inlineMap(await map.text(), cwd)}`;
  return { hash: createHash("sha256").update(file).update(text).digest("hex").slice(0, 16), text };
}

/** Bun writes the sources relative to the working directory, and resolves them relative to the bundle. */
function inlineMap(text: string, cwd: string): string {
  const map = JSON.parse(text) as { sources: string[] };
  const absolute = { ...map, sources: map.sources.map((source) => path.resolve(cwd, source)) };
  return `\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(absolute)).toString("base64")}\n`;
}

/** Writes a bundle to `cacheDir` and returns the file's path, which names the content. */
export async function storeBundle(file: string, bundle: Bundle, cacheDir: string): Promise<string> {
  const stored = path.join(cacheDir, `${path.basename(file).replace(/\.[^.]+$/, "")}-${bundle.hash}.js`);
  await mkdir(cacheDir, { recursive: true });
  await Bun.write(stored, bundle.text);
  return stored;
}

/**
 * Loads the default export of a TypeScript or JavaScript file of the user. It is bundled with its helpers to one file
 * named by content, so an edit is always seen and a version that threw while loading can't poison the next.
 * Throws `code` with file, line and column for what does not build and for what throws.
 */
export async function loadModule(file: string, cacheDir: string, code: Code): Promise<unknown> {
  const inputs = new Set<string>();
  return await importBundle(await storeBundle(file, await bundleModule(file, code, inputs), cacheDir), file, code, inputs);
}

/** The default export of a stored bundle of `file`. Throws `code` with the place of what throws while it loads. */
export async function importBundle(bundle: string, file: string, code: Code, inputs: ReadonlySet<string>): Promise<unknown> {
  let loaded: Record<string, unknown>;
  try {
    loaded = await import(bundle);
  } catch (thrown) {
    const error = toError(thrown);
    const at = placeOf(error, inputs) ?? { file };
    throw new AttuneError(code, `${path.basename(file)} failed while loading: ${error.message}`, { at, cause: error });
  }
  if (loaded["default"] === undefined) throw new AttuneError(code, "the file has no default export", { at: { file } });
  return loaded["default"];
}

/** The innermost place in one of these files that an error came through; null when it came through none. */
export function placeOf(error: Pick<Error, "stack">, inputs: ReadonlySet<string>): Position | null {
  for (const line of (error.stack ?? "").split("\n")) {
    const frame = /^\s+at (?:.*\()?(\/.*):(\d+):(\d+)\)?$/.exec(line);
    const [, file, row, column] = frame ?? [];
    if (file !== undefined && inputs.has(file)) return { file, line: Number(row), column: Number(column) };
  }
  return null;
}

/** Code that runs as root must not be code that somebody else can write. */
function refuseForeignFile(file: string, code: Code): void {
  if (process.getuid?.() !== 0) return;
  const target = statSync(file, { throwIfNoEntry: false });
  const link = lstatSync(file, { throwIfNoEntry: false });
  if (!target || !link) return;
  // A link's own mode says nothing, but its owner can turn it to another file.
  if (link.uid !== 0 || target.uid !== 0 || (target.mode & 0o022) !== 0) {
    throw new AttuneError(code, "refused, since the daemon runs as root and others own or may write this file", {
      at: { file },
      hint: `chown root ${file} && chmod go-w ${file}`,
    });
  }
  // Whoever may write there can put another file in its place while it is read, and take it back before it is looked at.
  for (const dir of new Set([path.dirname(file), path.dirname(realpathSync(file))])) {
    const { uid, mode } = statSync(dir);
    if (uid === 0 && ((mode & 0o022) === 0 || (mode & stickyBit) !== 0)) continue;
    throw new AttuneError(code, "refused, since the daemon runs as root and others own or may write the file's directory", {
      at: { file },
      hint: `chown root ${dir} && chmod go-w ${dir}`,
    });
  }
}

/** Of a directory: only the owner of a file may replace it. */
const stickyBit = 0o1000;
