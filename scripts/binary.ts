import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { embedAssets } from "./embed-assets.ts";

const root = join(import.meta.dir, "..");

/** Compiles an entry point of this repository into one file that needs nothing beside it. Throws what the bundler found. */
export async function buildBinary(entry: string, outfile: string): Promise<void> {
  const dir = dirname(outfile);
  mkdirSync(dir, { recursive: true });
  // The source maps are inside the binary, for the positions in stack traces; the bundler leaves them beside it as well.
  const work = mkdtempSync(join(dir, ".build-"));
  const draft = join(work, basename(outfile));
  try {
    await Bun.build({
      entrypoints: [entry],
      target: "bun",
      format: "esm",
      // A command loads only its own chunk: `attune --version` must not pay for the daemon.
      splitting: true,
      minify: true,
      bytecode: true,
      sourcemap: "linked",
      define: { "process.env.NODE_ENV": '"production"' },
      plugins: [await embedAssets(root, join(root, "node_modules/.cache/attune"))],
      // Either would run code found in the working directory.
      compile: { outfile: draft, autoloadDotenv: false, autoloadBunfig: false },
    });
    renameSync(draft, outfile);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
