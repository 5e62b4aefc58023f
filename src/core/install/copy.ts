import { constants } from "node:fs";
import { open } from "node:fs/promises";
import path from "node:path";
import type { Entries } from "./entries.ts";
import { refused } from "./refusal.ts";
import { walk } from "./walk.ts";

/** Copies a pack's directory as an archive of it would be unpacked: links are refused. */
export async function copyDirectory(root: string, isPart: (name: string) => boolean, entries: Entries): Promise<void> {
  for (const { name, stat } of walk(root, isPart)) {
    if (stat.isDirectory()) entries.directory(name);
    else if (stat.isFile()) {
      const stated = { size: stat.size, executable: (stat.mode & 0o111) !== 0 };
      await entries.file(name, stated, contentOf(path.join(root, name)));
    } else {
      throw refused(
        `${JSON.stringify(name)} is a ${stat.isSymbolicLink() ? "link" : "special file"}`,
        "a pack has files and directories only",
      );
    }
  }
}

async function* contentOf(file: string): AsyncGenerator<Uint8Array> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    yield* handle.createReadStream({ autoClose: false });
  } finally {
    await handle.close();
  }
}
