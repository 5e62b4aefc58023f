import { crc32 } from "node:zlib";
import { type Entry, openPromise } from "yauzl";
import { AttuneError, toError } from "../errors.ts";
import type { Entries } from "./entries.ts";
import { limits } from "./limits.ts";
import { refused } from "./refusal.ts";

/** Unpacks a .zip file as its central directory lists it. Regular files and directories only. */
export async function unpackZip(file: string, entries: Entries): Promise<void> {
  try {
    const zip = await openPromise(file, { lazyEntries: true, autoClose: false, strictFileNames: true });
    try {
      if (zip.entryCount > limits.entries) throw refused(`it has more than ${limits.entries} files and directories`);
      for await (const entry of zip.eachEntry()) {
        const kind = kindOf(entry);
        if (kind === "directory") entries.directory(entry.fileName);
        else {
          const stated = { size: entry.uncompressedSize, executable: (unixMode(entry) & 0o111) !== 0 };
          await entries.file(entry.fileName, stated, checked(entry, await zip.openReadStreamPromise(entry)));
        }
      }
    } finally {
      zip.close();
    }
  } catch (thrown) {
    const error = toError(thrown);
    if (thrown instanceof AttuneError || "syscall" in error || error.name === "AbortError") throw thrown;
    throw refused(`the archive is damaged: ${error.message}`, "download or build it again");
  }
}

const made = { unix: 3, regular: 0o100000, directory: 0o040000, kinds: 0o170000 } as const;

function unixMode(entry: Entry): number {
  return entry.versionMadeBy >> 8 === made.unix ? entry.externalFileAttributes >>> 16 : 0;
}

function kindOf(entry: Entry): "file" | "directory" {
  const name = JSON.stringify(entry.fileName);
  if (entry.isEncrypted()) throw refused(`${name} is encrypted`);
  const isDirectory = entry.fileName.endsWith("/");
  const kind = unixMode(entry) & made.kinds;
  if (kind !== 0 && kind !== (isDirectory ? made.directory : made.regular)) {
    throw refused(`${name} is a link or a special file`, "a pack has files and directories only");
  }
  if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8) throw refused(`${name} is compressed in an unknown way`);
  return isDirectory ? "directory" : "file";
}

/** Sizes are compared by the reader; the sum is not. */
async function* checked(entry: Entry, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let sum = 0;
  for await (const chunk of content) {
    sum = crc32(chunk, sum);
    yield chunk;
  }
  if (sum !== entry.crc32) throw refused(`the archive is damaged: ${JSON.stringify(entry.fileName)} has a wrong checksum`);
}
