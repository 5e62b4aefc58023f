/** Longest control line taken: a list of some 50,000 rules. */
const maxLineLength = 64 * 1024 * 1024;

/** The lines of a stream of UTF-8 text, without their ends. An unfinished last line is dropped: its writer died. */
export async function* readLines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let length = 0;
  for await (const chunk of stream) {
    const pieces = decoder.decode(chunk, { stream: true }).split("\n");
    const rest = pieces.pop() ?? "";
    for (const piece of pieces) {
      yield parts.length === 0 ? piece : parts.join("") + piece;
      parts = [];
      length = 0;
    }
    parts.push(rest);
    length += rest.length;
    if (length > maxLineLength) throw new Error(`a line on stdin is longer than ${maxLineLength} characters`);
  }
}
