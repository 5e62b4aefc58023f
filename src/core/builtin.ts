import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Assets, ChildScript } from "../assets.ts";

export interface Builtin {
  /** Directory of the built-in core pack. */
  readonly corePack: string;
  /** Script that is preloaded into TypeScript children. */
  readonly preload: string;
  /** Fork server for Python. */
  readonly pythonServer: string;
}

/**
 * Unpacks what attune brings for its children below the data directory, read-only, under a name made of its content: an
 * unpacking that was interrupted is not found by the next start, and an upgrade does not disturb what still runs.
 */
export async function unpackBuiltin(assets: Assets, dataDir: string): Promise<Builtin> {
  const hash = createHash("sha256");
  for (const file of assets.corePack) hash.update(`${file.path}\0${file.mode}\0`).update(file.content);
  for (const { script } of scriptsOf(assets)) if (script.kind === "text") hash.update(`${script.text}\0`);
  const root = path.join(dataDir, "builtin", hash.digest("hex").slice(0, 16));
  if (!existsSync(root)) await unpack(assets, root);
  const placeOf = ({ name, script }: NamedScript) => (script.kind === "file" ? script.path : path.join(root, name));
  const [preload, pythonServer] = scriptsOf(assets);
  return { corePack: path.join(root, "core"), preload: placeOf(preload), pythonServer: placeOf(pythonServer) };
}

interface NamedScript {
  readonly name: string;
  readonly script: ChildScript;
}

function scriptsOf(assets: Assets): readonly [preload: NamedScript, pythonServer: NamedScript, ...NamedScript[]] {
  return [
    { name: "preload.js", script: assets.sdkPreload },
    { name: "python-warm.py", script: assets.pythonServer },
    { name: "testing.js", script: assets.sdkTesting },
  ];
}

async function unpack(assets: Assets, root: string): Promise<void> {
  const staged = `${root}.new`;
  await rm(staged, { recursive: true, force: true });
  for (const file of assets.corePack) {
    const target = path.join(staged, "core", file.path);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, file.content, { mode: file.mode & 0o555 });
  }
  for (const { name, script } of scriptsOf(assets))
    if (script.kind === "text") await writeFile(path.join(staged, name), script.text, { mode: 0o444 });
  await rename(staged, root);
}
