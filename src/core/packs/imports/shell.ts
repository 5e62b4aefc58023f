import type { Imports, Wanted } from "./imports.ts";

/** Stand for the directory of the entry point and for that of the file itself, in text from which these characters are removed before. */
const OF_ENTRY = "\u0001";
const OF_FILE = "\u0002";
const MARKS = /[\u0001\u0002]/g;

// All of these are for lines without quotes, in which every run of white space is one space.
const SELF = String.raw`\$(?:\{BASH_SOURCE(?:\[0\])?\}|BASH_SOURCE\b|\{0\}|0)`;
const REAL_SELF = new RegExp(String.raw`\$\( ?(?:readlink -f|realpath) (?:-- )?(${SELF}) ?\)`, "g");
const DIRECTORY = new RegExp(
  [
    String.raw`\$\( ?dirname (?:-- )?${SELF} ?\)`,
    `\`dirname (?:-- )?${SELF}\``,
    String.raw`\$\{(?:BASH_SOURCE(?:\[0\])?|0)%/\*\}`,
  ].join("|"),
  "g",
);
const ABSOLUTE = /\$\( ?cd (?:-P )?(?:-- )?([\u0001\u0002][\w./-]*)(?: [^()]*)?(?:&&|;) ?pwd(?: -P)? ?\)/g;
const VARIABLE = /\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g;
const ASSIGNMENT = /^(?:(?:export|readonly|local|declare|typeset) (?:-\w+ )?)?([A-Za-z_]\w*)=([^ ;]*)/;
const BESIDE = /([\u0001\u0002])\/+([^ ;&|()<>`$*?{}[\]]+)/g;
const SOURCE =
  /(?:^|[;&|({!] ?|\b(?:then|do|else|if|elif|while|until|builtin|command) )(?:source|\.) ([^ ;&|()<>]+)( [\w./$-]+(?![\w<>]))?/g;
const EVALUATED = /\beval\b.*(?:\bsource | \. )/;
/** A word that looks like a path, which the script may run or read. */
const PATH = /(?:^|[ =;&|(<])((?:\.{1,2}\/|[\w-][\w.-]*\/)[\w./-]+)/g;
/** Nobody writes longer ones by hand. */
const MAX_LINE = 4_000;

/** Files that a shell script sources or names: relative to itself, or by a path without variables. */
export function shellImports(text: string): Imports {
  const wanted: Wanted[] = [];
  const variables = new Map<string, string | null>();
  let open = false;
  const add = (path: string, ...bases: Wanted["from"][]) =>
    wanted.push(...bases.map((from): Wanted => ({ from, kind: "file", path })));

  for (const written of text
    .replace(MARKS, "")
    .replace(/\\\r?\n/g, " ")
    .split("\n")) {
    if (!/[/.=]|\$\{?0|BASH_SOURCE|source/.test(written)) continue;
    if (written.length > MAX_LINE) {
      open ||= written.includes("source");
      continue;
    }
    const line = simplify(written, variables);
    if (line.startsWith("#")) continue;
    assign(line, variables);
    for (const [, mark, path] of line.matchAll(BESIDE)) add(path ?? "", mark === OF_ENTRY ? "entry" : "file");
    for (const [, path] of line.matchAll(PATH)) add(path ?? "", "pack");
    for (const [, file, further] of line.matchAll(SOURCE)) {
      // A further word is an argument, or the rest of a name with a space in it.
      if (file === undefined || further !== undefined || /[$*?`{[]/.test(file)) open = true;
      else if (!/^[/~\u0001\u0002]/.test(file)) add(file, "pack", "entry", "file");
    }
    open ||= EVALUATED.test(line);
  }
  return { wanted, open };
}

function simplify(written: string, variables: ReadonlyMap<string, string | null>): string {
  return written
    .replace(/["']/g, "")
    .replace(/\s+/g, " ")
    .trim()
    .replace(REAL_SELF, "$1")
    .replace(DIRECTORY, (found) => (found.includes("BASH_SOURCE") ? OF_FILE : OF_ENTRY))
    .replace(ABSOLUTE, "$1")
    .replace(VARIABLE, (use, braced?: string, bare?: string) => variables.get(braced ?? bare ?? "") ?? use);
}

/** Remembers a variable that holds a directory of the pack. One that is set twice is not known. */
function assign(line: string, variables: Map<string, string | null>): void {
  const [, name, value] = ASSIGNMENT.exec(line) ?? [];
  if (name === undefined || value === undefined) return;
  const isDirectory = /^[\u0001\u0002][\w./-]*$/.test(value);
  variables.set(name, isDirectory && !variables.has(name) ? value : null);
}
