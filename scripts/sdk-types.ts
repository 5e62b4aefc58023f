import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { version } from "../package.json" with { type: "json" };
import { collectDeclarations } from "./declarations.ts";

/** The modules an author can import, by the source file that makes each. Those after the first may use its types. */
const modules = { attune: "src/sdk/index.ts", "attune/testing": "src/sdk/testing/index.ts" };

/**
 * The text of `attune.d.ts`: all that authors of configs, plugins and scripts import, and the little of the surroundings
 * they use, in one file that needs no other. It is made from the sources by tsc, which takes a second or two; kept in
 * node_modules/.cache until a source changes.
 */
export function sdkTypes(root: string): string {
  const cache = join(root, "node_modules/.cache/attune/types.json");
  const hash = hashOfSources(root);
  const cached = existsSync(cache) ? (JSON.parse(readFileSync(cache, "utf8")) as Cached) : undefined;
  if (cached?.hash === hash) return cached.text;
  const text = generate(root);
  mkdirSync(dirname(cache), { recursive: true });
  const draft = `${cache}.${process.pid}`;
  writeFileSync(draft, JSON.stringify({ hash, text } satisfies Cached));
  renameSync(draft, cache);
  return text;
}
interface Cached {
  readonly hash: string;
  readonly text: string;
}

function generate(root: string): string {
  const work = mkdtempSync(join(tmpdir(), "attune-types-"));
  try {
    emitDeclarations(root, work);
    const known = new Map<string, string>();
    const blocks = Object.entries(modules).map(([name, source]) =>
      moduleBlock(name, join(work, "out", source.replace(/\.ts$/, ".d.ts")), known),
    );
    const heading = `// Types of attune ${version}. Written by attune, which replaces it when it is older: do not edit.\n`;
    return [heading, ...blocks, readFileSync(join(root, "scripts/sdk-ambient.txt"), "utf8")].join("\n");
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Into `out` below `work`. Mistakes in the sources are for the type check to find; here only the declarations matter. */
function emitDeclarations(root: string, work: string): void {
  const options = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      outDir: join(work, "out"),
      rootDir: root,
      typeRoots: [join(root, "node_modules/@types")],
    },
    include: [],
    files: Object.values(modules).map((source) => join(root, source)),
  };
  writeFileSync(join(work, "tsconfig.json"), JSON.stringify(options));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  if (!existsSync(tsc)) throw new Error(`${tsc} is missing: run npm ci`);
  const { stdout } = Bun.spawnSync([process.execPath, tsc, "-p", work]);
  if (!existsSync(join(work, "out"))) throw new Error(`tsc made no declarations: ${stdout}`);
}

/** `known` has the file of each declaration that an earlier module exports, by its name; those of this one are added. */
function moduleBlock(name: string, entry: string, known: Map<string, string>): string {
  const { declarations, exported, imported } = collectDeclarations(entry, known);
  const statements = declarations.map(({ name: declared, file, isType, isExported, text }) => {
    // A type is of use wherever it is mentioned; a value exists only where the module really exports it.
    const shown = exported.has(declared) || (isType && isExported);
    if (shown) known.set(declared, file);
    return shown ? text.replace(/^(?=\w)/m, "export ") : text;
  });
  const imports = imported.size === 0 ? [] : [`import type { ${[...imported].sort().join(", ")} } from "attune";`];
  // Without the last line everything in the block would count as exported.
  return `declare module "${name}" {\n${indent([...imports, ...statements, "export {};"].join("\n"))}\n}\n`;
}

/** By two spaces; those of tsc are made two instead of four. */
function indent(text: string): string {
  return text
    .split("\n")
    .map((line) => (line === "" ? line : `  ${line.replace(/^( {4})+/, (spaces) => " ".repeat(spaces.length / 2))}`))
    .filter((line) => line !== "")
    .join("\n");
}

function hashOfSources(root: string): string {
  const hash = createHash("sha256").update(readFileSync(join(root, "package.json")));
  for (const dir of ["src", "scripts"]) {
    for (const file of readdirSync(join(root, dir), { recursive: true, encoding: "utf8" }).sort()) {
      if (/(\.ts|ambient\.txt)$/.test(file)) hash.update(file).update(readFileSync(join(root, dir, file)));
    }
  }
  return hash.digest("hex").slice(0, 16);
}
