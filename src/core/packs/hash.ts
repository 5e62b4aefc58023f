/**
 * SHA-256 in hex over the parts, each framed by its length so that no two lists of parts share a digest.
 *
 * The digests are stored, compared between nodes and name snapshots, so a collision must not be possible on purpose;
 * with the processor's SHA instructions it costs no more than the reading (about 2 microseconds for a small file).
 */
export function digest(...parts: readonly (string | Uint8Array)[]): string {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const part of parts) {
    hasher.update(`${typeof part === "string" ? Buffer.byteLength(part) : part.byteLength}:`);
    hasher.update(part);
  }
  return hasher.digest("hex");
}

/** JSON with the keys of every object sorted and absent values left out: equal values give equal text. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(",")}}`;
}
