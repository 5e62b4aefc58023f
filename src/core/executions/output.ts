/** What an execution printed on one stream, bounded: the head and the tail are kept, what lies between is counted. */
export interface OutputBuffer {
  append(chunk: Uint8Array): void;
  /** What was kept; a line says how much is missing between head and tail. */
  content(): Buffer;
  readonly totalBytes: number;
  readonly truncated: boolean;
  /** Calls `listener` with what was printed so far and with all that follows, cut or not. Returns the undo. */
  follow(listener: (chunk: Uint8Array) => void): () => void;
}

/** `limit` bytes are kept: half of them from the start, half from the end. */
export function createOutputBuffer(limit: number): OutputBuffer {
  const headLimit = Math.floor(limit / 2);
  const head = lastBytes(headLimit);
  const tail = lastBytes(limit - headLimit);
  const listeners = new Set<(chunk: Uint8Array) => void>();
  let totalBytes = 0;
  const dropped = () => totalBytes - head.size - tail.size;

  return {
    append(chunk) {
      totalBytes += chunk.byteLength;
      const forHead = Math.min(chunk.byteLength, headLimit - head.size);
      head.push(chunk.subarray(0, forHead));
      tail.push(chunk.subarray(forHead));
      for (const listener of listeners) listener(chunk);
    },
    content() {
      const gap = dropped() > 0 ? [Buffer.from(`\n[attune: ${dropped()} bytes left out]\n`)] : [];
      return Buffer.concat([...head.parts(), ...gap, ...tail.parts()]);
    },
    get totalBytes() {
      return totalBytes;
    },
    get truncated() {
      return dropped() > 0;
    },
    follow(listener) {
      if (totalBytes > 0) listener(this.content());
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** A ring that grows up to `limit` bytes. One buffer, since a script may well print its megabytes one byte at a time. */
function lastBytes(limit: number) {
  let ring = Buffer.alloc(0);
  let start = 0;
  let size = 0;
  return {
    get size() {
      return size;
    },
    push(given: Uint8Array) {
      const chunk = given.subarray(Math.max(0, given.byteLength - limit));
      const needed = Math.min(limit, size + chunk.byteLength);
      if (needed > ring.byteLength) {
        // It only grows before it first wraps, so what it holds begins at 0.
        const larger = Buffer.alloc(Math.min(limit, Math.max(needed, 2 * ring.byteLength)));
        ring.copy(larger);
        ring = larger;
      }
      const end = ring.byteLength === 0 ? 0 : (start + size) % ring.byteLength;
      ring.set(chunk.subarray(0, ring.byteLength - end), end);
      ring.set(chunk.subarray(ring.byteLength - end), 0);
      const excess = size + chunk.byteLength - needed;
      start = excess === 0 ? start : (start + excess) % ring.byteLength;
      size = needed;
    },
    parts: () => [ring.subarray(start, start + size), ring.subarray(0, Math.max(0, start + size - ring.byteLength))],
  };
}
