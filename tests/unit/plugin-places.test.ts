import { expect, test } from "bun:test";
import { join } from "node:path";
import { mistakeOf, placeOfWord } from "../../src/core/plugins/places.ts";
import { tempDir, writePack } from "../support/packs.ts";

const source = `// name: "commented out", "event:accept"
/* launch: too */
const note = "launch: // no comment";
export default {
  name: "awk",
  "event:accept": (event) => event,
  async launch({ entrypoint }) {},
  probe,
};
`;

test.each<[string, number, number]>([
  ["name", 5, 3],
  ["event:accept", 6, 3],
  ["launch", 7, 9],
  ["probe", 8, 3],
  ["awk", 5, 9],
  ["default", 4, 8],
])("%s is found where it is written, not in a comment", (word, line, column) => {
  using dir = tempDir("places");
  writePack(dir.path, { "a.ts": source });
  const file = join(dir.path, "a.ts");
  expect(placeOfWord(word, file, new Set([file]))).toEqual({ file, line, column });
});

test("a word that stands in a helper is found there, and one that stands nowhere is not", () => {
  using dir = tempDir("places");
  writePack(dir.path, {
    "a.ts": 'import { hooks } from "./b.ts";\n',
    "b.ts": 'export const hooks = {\n  "daemon:redy"() {},\n};\n',
  });
  const inputs = new Set(["a.ts", "b.ts"].map((file) => join(dir.path, file)));
  expect(placeOfWord("daemon:redy", join(dir.path, "a.ts"), inputs)).toEqual({
    file: join(dir.path, "b.ts"),
    line: 2,
    column: 3,
  });
  expect(placeOfWord("setup", join(dir.path, "a.ts"), inputs)).toBeNull();
  expect(placeOfWord("setup", join(dir.path, "gone.ts"), new Set())).toBeNull();
});

test("of an error the innermost frame in the plugin's files is its place, shown with the lines around it", () => {
  using dir = tempDir("places");
  writePack(dir.path, { "a.ts": "one\ntwo\nthree\n" });
  const file = join(dir.path, "a.ts");
  const error = new Error("no");
  error.stack = `Error: no\n    at deep (/elsewhere/lib.ts:9:9)\n    at call (${file}:2:2)\n    at ${file}:3:1`;
  expect(mistakeOf(error, file, new Set([file]))).toEqual({
    message: "no",
    file,
    line: 2,
    column: 2,
    hint: null,
    frame: "  1 | one\n> 2 | two\n    |  ^\n  3 | three",
  });
});
