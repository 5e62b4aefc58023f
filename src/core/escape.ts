/** Characters that could move the cursor, hide text or reorder it, as visible escapes. `keep` are left as they are. */
export function escapeControls(text: string, keep = ""): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (char) => {
    if (keep.includes(char)) return char;
    const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[char];
    return short ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
