import { chmod, lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/** Removes a directory whose own modes forbid it. Links in it are removed and not followed. */
export async function removeTree(dir: string): Promise<void> {
  await unlock(dir);
  await rm(dir, { recursive: true, force: true });
}

async function unlock(dir: string): Promise<void> {
  const stats = await lstat(dir).catch(() => null);
  // Not there, or a stray file: nothing stands in the way of its removal.
  if (!stats?.isDirectory()) return;
  await chmod(dir, 0o755);
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (entry.isDirectory()) await unlock(join(dir, entry.name));
  }
}
