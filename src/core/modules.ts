import { createHash } from "node:crypto";
import { lstatSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { AttuneError, toError } from "./errors.ts";

/**
 * Makes `import ... from "attune"` work in config and plugin files: they get the daemon's own objects, with nothing
 * installed beside them.
 */
export function provideSdk(exports: object): void {
  Bun.plugin({
    name: "attune",
    setup(build) {
      build.module("attune", () => ({ exports: { ...exports, default: exports }, loader: "object" }));
    },
  });
}

/**
 * Loads the default export of a TypeScript or JavaScript file of the user. It is bundled with its helpers to one file
 * named by content, so an edit is always seen and a version that threw while loading can't poison the next.
 * Throws `code` with file, line and column for what does not build, and with the message for what throws.
 */
export async function loadModule(file: string, cacheDir: string, code: "CONFIG_INVALID" | "PLUGIN_INVALID"): Promise<unknown> {
  refuseForeignFile(file, code);
  const built = await Bun.build({ entrypoints: [file], target: "bun", external: ["attune"], sourcemap: "inline", throw: false });
  const failure = built.logs.find((log) => log.level === "error");
  const output = built.outputs[0];
  if (failure || !output) {
    const position = failure?.position;
    throw new AttuneError(code, failure?.message ?? "the file could not be built", {
      at: position ? { file: position.file || file, line: position.line, column: position.column } : { file },
      hint: failure?.message.includes("Could not resolve") ? "install it beside the file, or write the path with ./" : undefined,
    });
  }
  const text = await output.text();
  const hash = createHash("sha256").update(file).update(text).digest("hex").slice(0, 16);
  const bundled = path.join(cacheDir, `${path.basename(file).replace(/\.[^.]+$/, "")}-${hash}.js`);
  await mkdir(cacheDir, { recursive: true });
  await Bun.write(bundled, text);
  let loaded: Record<string, unknown>;
  try {
    loaded = await import(bundled);
  } catch (thrown) {
    const error = toError(thrown);
    throw new AttuneError(code, `${file} failed while loading: ${error.message}`, { at: { file }, cause: error });
  }
  if (loaded["default"] === undefined) throw new AttuneError(code, "the file has no default export", { at: { file } });
  return loaded["default"];
}

/** Code that runs as root must not be code that somebody else can write. */
function refuseForeignFile(file: string, code: "CONFIG_INVALID" | "PLUGIN_INVALID"): void {
  if (process.getuid?.() !== 0) return;
  const target = statSync(file);
  // A link's own mode says nothing, but its owner can turn it to another file.
  if (lstatSync(file).uid !== 0 || target.uid !== 0 || (target.mode & 0o022) !== 0) {
    throw new AttuneError(code, "refused, since the daemon runs as root and others own or may write this file", {
      at: { file },
      hint: `chown root ${file} && chmod go-w ${file}`,
    });
  }
}
