import type { Imports, Wanted } from "./imports.ts";

const IMPORT = /^import (.+)$/;
const FROM = /^from ?(\.*) ?((?:\w[\w.]*)?) ?import\b ?(.+)$/;
/** The import of `try: import x`. */
const HEAD = /^(?:try|else|finally|if [^:]*|with [^:]*) ?: (?=import |from )/;
/** What loads code under a name that is a value. */
const COMPUTED =
  /(?<![.\w])(?:__import__|import_module|exec|run_path|run_module|spec_from_file_location|SourceFileLoader) ?\(|\b(?:importlib|runpy|pkgutil) ?\. ?(?:import_module|util|machinery|run_path|run_module|walk_packages|iter_modules)\b/;
const SEARCH_PATH = /\bsys\.path ?(?:\.(?:insert|append|extend)\b|\+?= |\[)|\bsite\.addsitedir\b/;
/** Names in brackets over several lines. The bound keeps a file of nothing but open brackets from taking forever. */
const BRACKETS = /^([^\S\n]*from\b[^\n(#]*\bimport\b[^\S\n]*)\(([^)]{0,4000})\)/gm;

/** Modules and packages a Python file imports, wherever in it; those that lie elsewhere than in the pack are not found there later. */
export function pythonImports(text: string): Imports {
  const wanted: Wanted[] = [];
  const roots: string[] = [];
  let open = false;
  for (const statement of statements(text)) {
    const [, modules] = IMPORT.exec(statement) ?? [];
    const [, dots, module, names] = FROM.exec(statement) ?? [];
    if (modules !== undefined) wanted.push(...modules.split(",").flatMap((item) => fromRoots(nameOf(item))));
    else if (dots !== undefined && module !== undefined && names !== undefined) wanted.push(...fromModule(dots, module, names));
    if (COMPUTED.test(statement)) open = true;
    if (!SEARCH_PATH.test(statement)) continue;
    const root = addedRoot(statement);
    if (root === null) open = true;
    else roots.push(root);
  }
  return { wanted, open, roots };
}

/** What may be an import or changes what one finds, each on one line with single spaces. */
function* statements(text: string): Generator<string> {
  const joined = text
    .replace(/\\\r?\n/g, " ")
    .replace(BRACKETS, (_, head: string, names: string) => head + names.replace(/#[^\n]*/g, " ").replaceAll("\n", " "));
  for (const line of joined.split("\n")) {
    if (!/import|exec|run_|Loader|sys\.path|addsitedir|pkgutil|runpy|spec_from/.test(line)) continue;
    const plain = line.replace(/\s+/g, " ").trim();
    const comment = plain.startsWith("#") ? 0 : plain.indexOf(" #");
    const code = comment < 0 ? plain : plain.slice(0, comment);
    for (const part of code.split(";")) yield part.trim().replace(HEAD, "");
  }
}

function fromModule(dots: string, module: string, names: string): Wanted[] {
  const items = names.split(",").map(nameOf);
  const modules = items.filter((name) => /^\w+$/.test(name)).map((name) => (module === "" ? name : `${module}.${name}`));
  // Only for a star: what leads to a name leads through the module.
  if (modules.length === 0 && module !== "") modules.push(module);
  if (dots === "") return modules.flatMap(fromRoots);
  const up = "../".repeat(dots.length - 1);
  // The package's own __init__ is run as well.
  return [
    { from: "file", kind: "file", path: `${up}__init__.py` },
    ...modules.map((name): Wanted => ({ from: "file", kind: "module", path: up + name.replaceAll(".", "/") })),
  ];
}

function fromRoots(module: string): Wanted[] {
  return /^\w[\w.]*$/.test(module) ? [{ from: "roots", kind: "module", path: module.replaceAll(".", "/") }] : [];
}

/** `a.b` of `a.b as c`, and of the last name in brackets. */
function nameOf(item: string): string {
  return item.replace(/[()]/g, "").trim().split(" ")[0] ?? "";
}

/** The directory of the pack that a statement about `sys.path` adds, when it is built from `__file__` and plain text. */
function addedRoot(statement: string): string | null {
  if (!statement.includes("__file__")) return null;
  const parts = [...statement.matchAll(/["']([^"']*)["']/g)].flatMap(([, part]) => (part ?? "").split("/"));
  return parts.filter((part) => part !== "" && part !== "." && part !== "..").join("/") || ".";
}
