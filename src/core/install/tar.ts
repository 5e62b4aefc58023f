import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { AttuneError, toError } from "../errors.ts";
import type { Entries } from "./entries.ts";
import { limits, mostUnpacked } from "./limits.ts";
import { refused } from "./refusal.ts";

/** Unpacks a tar stream. Regular files and directories only: a link is refused wherever it leads. */
export async function unpackTar(input: Readable, entries: Entries): Promise<void> {
  const archive = extract();
  const fed = settled(pipeline(input, archive as unknown as NodeJS.WritableStream));
  await readAll(archive, entries, fed);
}

/** The same of a .tar.gz file of `size` bytes. */
export async function unpackTarGzip(input: Readable, size: number, entries: Entries): Promise<void> {
  const archive = extract();
  const most = mostUnpacked(size) + limits.tarOverhead;
  let bytes = 0;
  // Headers and padding are no files, and may be as large.
  const meter = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      bytes += chunk.byteLength;
      done(bytes > most ? refused(`it unpacks to more than ${limits.ratio} times its size`) : null, chunk);
    },
  });
  const fed = settled(pipeline(input, createGunzip(), meter, archive as unknown as NodeJS.WritableStream));
  await readAll(archive, entries, fed);
}

async function readAll(archive: ReturnType<typeof extract>, entries: Entries, fed: Promise<unknown>): Promise<void> {
  try {
    for await (const entry of archive) {
      const { name, type, size = 0, mode = 0 } = entry.header;
      if (type === "directory") {
        entries.directory(name);
        entry.resume();
      } else if (type === "file" || type === "contiguous-file") {
        await entries.file(name, { size, executable: (mode & 0o111) !== 0 }, entry as AsyncIterable<Uint8Array>);
      } else {
        throw refused(
          `${JSON.stringify(name)} is a ${type ?? "entry of an unknown kind"}`,
          "a pack has files and directories only",
        );
      }
    }
  } catch (thrown) {
    // What broke the stream says more than that it is broken.
    throw reason(await Promise.race([fed, Promise.resolve(null)])) ?? reason(thrown) ?? brokenArchive(thrown);
  }
  const failure = await fed;
  if (failure !== null) throw reason(failure) ?? brokenArchive(failure);
}

function settled(work: Promise<void>): Promise<unknown> {
  return work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
}

/** Errors that say what is wrong by themselves. */
function reason(thrown: unknown): unknown {
  const isSystem = thrown instanceof Error && "syscall" in thrown;
  return thrown instanceof AttuneError || isSystem || toError(thrown).name === "AbortError" ? thrown : null;
}

function brokenArchive(thrown: unknown): AttuneError {
  return refused(`the archive is damaged: ${toError(thrown).message}`, "download or build it again");
}
