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
  const tailLimit = limit - headLimit;
  const head: Uint8Array[] = [];
  const tail: Uint8Array[] = [];
  const listeners = new Set<(chunk: Uint8Array) => void>();
  let headBytes = 0;
  let tailBytes = 0;
  let totalBytes = 0;

  function keepTail(chunk: Uint8Array): void {
    tail.push(chunk);
    tailBytes += chunk.byteLength;
    for (let excess = tailBytes - tailLimit; excess > 0; excess = tailBytes - tailLimit) {
      const first = tail[0]!;
      if (first.byteLength <= excess) tail.shift();
      else tail[0] = first.subarray(excess);
      tailBytes -= Math.min(first.byteLength, excess);
    }
  }

  return {
    append(chunk) {
      totalBytes += chunk.byteLength;
      const forHead = Math.min(chunk.byteLength, headLimit - headBytes);
      if (forHead > 0) {
        head.push(chunk.subarray(0, forHead));
        headBytes += forHead;
      }
      if (forHead < chunk.byteLength) keepTail(chunk.subarray(forHead));
      for (const listener of listeners) listener(chunk);
    },
    content() {
      const dropped = totalBytes - headBytes - tailBytes;
      const gap = dropped > 0 ? [Buffer.from(`\n[attune: ${dropped} bytes left out]\n`)] : [];
      return Buffer.concat([...head, ...gap, ...tail]);
    },
    get totalBytes() {
      return totalBytes;
    },
    get truncated() {
      return totalBytes > headBytes + tailBytes;
    },
    follow(listener) {
      if (totalBytes > 0) listener(this.content());
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
