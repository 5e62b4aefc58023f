import { closeSync, constants, mkdirSync, openSync, writeSync } from "node:fs";
import path from "node:path";
import { limits } from "./limits.ts";
import { createNames } from "./names.ts";
import type { Work } from "./progress.ts";
import { refused } from "./refusal.ts";

/** Puts what an archive or a directory lists below one directory that nobody else writes in. */
export interface Entries {
  directory(name: string): void;
  /** `size` as it was stated, in bytes. Reads the content to its end also when the file is left out. */
  file(
    name: string,
    stated: { readonly size: number; readonly executable: boolean },
    content: AsyncIterable<Uint8Array>,
  ): Promise<void>;
  readonly files: number;
  readonly bytes: number;
}

/**
 * `isPart` tells by its name what belongs to a pack; the rest is left out. `maxBytes` bounds all files together. Throws
 * SOURCE_REFUSED for names, numbers and sizes that are out of bounds.
 */
export function createEntries(
  root: string,
  { isPart, maxBytes, work }: { isPart: (name: string) => boolean; maxBytes: number; work: Work },
): Entries {
  const names = createNames();
  let seen = 0;
  let files = 0;
  let bytes = 0;

  /** The path to write at; null for what is left out. */
  function admit(name: string, kind: "file" | "directory"): string | null {
    work.signal.throwIfAborted();
    seen += 1;
    if (seen > limits.entries) throw refused(`it has more than ${limits.entries} files and directories`);
    const relative = names.claim(name, kind);
    return relative?.split("/").every(isPart) ? path.join(root, relative) : null;
  }

  function spend(count: number): void {
    bytes += count;
    if (bytes <= maxBytes) return;
    throw refused(
      maxBytes < limits.packBytes
        ? `it unpacks to more than ${limits.ratio} times its size`
        : `its files have more than ${limits.packBytes / 1024 / 1024} MiB`,
    );
  }

  return {
    directory(name) {
      const target = admit(name, "directory");
      if (target) mkdirSync(target, { recursive: true });
    },
    async file(name, stated, content) {
      const target = admit(name, "file");
      if (bytes + stated.size > maxBytes) spend(stated.size);
      if (!target) {
        for await (const chunk of content) spend(chunk.byteLength);
        return;
      }
      mkdirSync(path.dirname(target), { recursive: true });
      // Every other bit of the mode is left behind, setuid first of all.
      const fd = openSync(target, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, stated.executable ? 0o755 : 0o644);
      try {
        for await (const chunk of content) {
          work.signal.throwIfAborted();
          spend(chunk.byteLength);
          for (let done = 0; done < chunk.byteLength; ) done += writeSync(fd, chunk, done);
        }
      } finally {
        closeSync(fd);
      }
      files += 1;
      work.progress({ phase: "unpack", files, bytes });
    },
    get files() {
      return files;
    },
    get bytes() {
      return bytes;
    },
  };
}
