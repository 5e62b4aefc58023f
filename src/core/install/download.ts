import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { AttuneError, toError } from "../errors.ts";
import { limits } from "./limits.ts";
import type { Work } from "./progress.ts";
import { refused, unavailable } from "./refusal.ts";
import { webAddress } from "./source.ts";

export interface Downloaded {
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** Downloads to a new file. Throws SOURCE_UNAVAILABLE, and SOURCE_REFUSED for what is too large or leads elsewhere than http(s). */
export async function download(url: string, file: string, work: Work): Promise<Downloaded> {
  const hash = createHash("sha256");
  let bytes = 0;
  const handle: FileHandle = await open(file, "wx", 0o600);
  try {
    for await (const { chunk, total } of body(url, limits.archiveBytes, work.signal)) {
      hash.update(chunk);
      await handle.writeFile(chunk);
      bytes += chunk.byteLength;
      work.progress({ phase: "download", from: url, bytes, total });
    }
  } finally {
    await handle.close();
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** A small text, such as an index, as UTF-8. */
export async function downloadText(url: string, maxBytes: number, signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const { chunk } of body(url, maxBytes, signal)) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

async function* body(
  url: string,
  maxBytes: number,
  signal: AbortSignal,
): AsyncGenerator<{ chunk: Uint8Array; total: number | null }> {
  const slow = new AbortController();
  const idle = setTimeout(() => slow.abort(), limits.idle);
  const inTime = AbortSignal.any([signal, slow.signal, AbortSignal.timeout(limits.transfer)]);
  try {
    const response = await follow(url, inTime);
    const stated = response.headers.get("content-length");
    const total = stated !== null && /^\d{1,15}$/.test(stated) ? Number(stated) : null;
    if (total !== null && total > maxBytes) throw tooLarge(url, maxBytes);
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      idle.refresh();
      bytes += chunk.byteLength;
      if (bytes > maxBytes) throw tooLarge(url, maxBytes);
      yield { chunk, total };
    }
    if (total !== null && bytes !== total) throw unavailable(`${url} ended after ${bytes} of ${total} bytes`);
  } catch (thrown) {
    signal.throwIfAborted();
    if (thrown instanceof AttuneError) throw thrown;
    const why = inTime.aborted ? "it takes too long" : toError(thrown).message;
    throw unavailable(`${url} can't be downloaded: ${why}`, { cause: thrown });
  } finally {
    clearTimeout(idle);
  }
}

/** Redirects are followed by hand: each address is checked as the first was, and https stays https. */
async function follow(first: string, signal: AbortSignal): Promise<Response> {
  let url = webAddress(first);
  for (let hops = 0; hops <= limits.redirects; hops++) {
    const response = await fetch(url, {
      signal,
      redirect: "manual",
      // What is checked is the archive itself and not what a server makes of it on the way.
      headers: { "Accept-Encoding": "identity", "User-Agent": "attune" },
      decompress: false,
    });
    if (response.status === 200) return response;
    await response.body?.cancel();
    const location = response.headers.get("location");
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null)
      throw unavailable(`${url} answered ${response.status}`, { hint: "is the address right?" });
    const next = webAddress(location, url);
    if (url.startsWith("https:") && !next.startsWith("https:")) throw refused(`${url} leads to ${next}, which is not encrypted`);
    url = next;
  }
  throw refused(`${first} leads on more than ${limits.redirects} times`);
}

function tooLarge(url: string, maxBytes: number): AttuneError {
  return refused(`${url} has more than ${Math.round(maxBytes / 1024 / 1024)} MiB`);
}
