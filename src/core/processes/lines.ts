/** Splits a byte stream into lines of text. */
export interface LineSplitter {
  push(chunk: Uint8Array): Promise<void>;
  /** A last line without a newline. */
  end(): Promise<void>;
}

/**
 * Each complete line is handed to `onLine` in order, without its line end; invalid UTF-8 is replaced. A line longer than
 * `limit` bytes is dropped up to its end and `onTooLong` told once. `push` resolves when `onLine` took every line in it.
 */
export function createLineSplitter(
  limit: number,
  onLine: (line: string) => Promise<void> | void,
  onTooLong: () => void,
): LineSplitter {
  let parts: Uint8Array[] = [];
  let size = 0;
  let dropping = false;

  async function finish(): Promise<void> {
    const line = Buffer.concat(parts);
    parts = [];
    size = 0;
    if (dropping) {
      dropping = false;
      return;
    }
    const text = line.toString("utf8");
    await onLine(text.endsWith("\r") ? text.slice(0, -1) : text);
  }

  function collect(part: Uint8Array): void {
    if (dropping || part.byteLength === 0) return;
    size += part.byteLength;
    if (size > limit) {
      dropping = true;
      parts = [];
      onTooLong();
    } else {
      // A copy, since the reader may reuse its buffer for the next chunk; `slice` of a Buffer would be none.
      parts.push(new Uint8Array(part));
    }
  }

  return {
    async push(chunk) {
      let start = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
        collect(chunk.subarray(start, end));
        await finish();
        start = end + 1;
      }
      collect(chunk.subarray(start));
    },
    async end() {
      if (size > 0 || dropping) await finish();
    },
  };
}
