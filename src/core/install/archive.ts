import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { Entries } from "./entries.ts";
import { refused } from "./refusal.ts";
import { unpackTarGzip } from "./tar.ts";
import { unpackZip } from "./zip.ts";

/** Unpacks a .tar.gz or .zip file of `size` bytes; by its first bytes, since names and servers may say anything. */
export async function unpackArchive(file: string, size: number, entries: Entries): Promise<void> {
  const head = await firstBytes(file);
  if (head[0] === 0x1f && head[1] === 0x8b) return unpackTarGzip(createReadStream(file), size, entries);
  if (head[0] === 0x50 && head[1] === 0x4b) return unpackZip(file, entries);
  throw refused(
    "it is neither a .tar.gz nor a .zip archive",
    "it takes the address of the archive itself; that of a git repository is written git+https://",
  );
}

async function firstBytes(file: string): Promise<Buffer> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
