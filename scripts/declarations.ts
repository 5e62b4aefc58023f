import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** One statement of a declaration file as tsc prints it, with the comment above it. */
export interface Declaration {
  readonly file: string;
  readonly name: string;
  readonly isType: boolean;
  readonly isExported: boolean;
  /** Without `export` and `declare`. */
  readonly text: string;
}
export interface Collected {
  readonly declarations: readonly Declaration[];
  readonly exported: ReadonlySet<string>;
  /** Names to be imported from elsewhere. */
  readonly imported: ReadonlySet<string>;
}
interface Source {
  readonly declarations: readonly Declaration[];
  /** What it imports, by its name there. */
  readonly imports: ReadonlyMap<string, Reference>;
  readonly exports: readonly Reexport[];
}
interface Reference {
  readonly from: string;
  readonly name: string;
}
/** `names` null: all of them. */
interface Reexport {
  readonly from: string;
  readonly names: readonly { readonly name: string; readonly as: string }[] | null;
}

/**
 * The declarations that a module's exports need, in the order of the files they are in, and the names of those exports.
 * `entry` is the path of its declaration file. Of what other modules export already (`elsewhere`: the declaration's file by its
 * name) only the names are given. Throws for what can't be put in one place: types of packages, two declarations of one name,
 * renamed exports, inline imports.
 */
export function collectDeclarations(entry: string, elsewhere: ReadonlyMap<string, string>): Collected {
  const sources = new Map<string, Source>();
  const sourceOf = (file: string): Source => {
    const known = sources.get(file) ?? readSource(file);
    sources.set(file, known);
    return known;
  };

  const exportsOf = (file: string): Map<string, Reference> => {
    const { declarations, exports } = sourceOf(file);
    const found = new Map<string, Reference>();
    for (const { name, isExported } of declarations) if (isExported) found.set(name, { from: file, name });
    for (const { from, names } of exports) {
      const all = exportsOf(from);
      for (const { name, as } of names ?? [...all.keys()].map((key) => ({ name: key, as: key }))) {
        const target = all.get(name);
        if (target) found.set(as, target);
      }
    }
    return found;
  };
  const resolveName = (file: string, name: string): Reference | undefined => {
    const { declarations, imports } = sourceOf(file);
    if (declarations.some((declaration) => declaration.name === name)) return { from: file, name };
    const imported = imports.get(name);
    if (!imported) return undefined;
    if (!imported.from.startsWith("/")) throw new Error(`${file}: ${name} of the package ${imported.from} is in the contract`);
    return exportsOf(imported.from).get(imported.name);
  };

  const exported = exportsOf(entry);
  const needed = new Set<Declaration>();
  const imported = new Set<string>();
  const visit = ({ from, name }: Reference) => {
    if (elsewhere.get(name) === from) {
      imported.add(name);
      return;
    }
    for (const declaration of sourceOf(from).declarations.filter((candidate) => candidate.name === name)) {
      if (needed.has(declaration)) continue;
      needed.add(declaration);
      const code = withoutComments(declaration.text);
      if (code.includes("import(")) throw new Error(`${from}: ${name} has an inline import`);
      for (const [word] of code.matchAll(/[A-Za-z_$][\w$]*/g)) {
        const used = resolveName(from, word);
        if (used) visit(used);
      }
    }
  };
  for (const [name, reference] of exported) {
    if (reference.name !== name) throw new Error(`${entry}: ${reference.name} is exported as ${name}`);
    visit(reference);
  }

  const homes = new Map<string, string>();
  for (const { name, file } of needed) {
    if ((homes.get(name) ?? file) !== file) throw new Error(`${name} is declared in ${homes.get(name)} and in ${file}`);
    homes.set(name, file);
  }
  const declarations = [...sources.values()].flatMap((source) => source.declarations.filter((one) => needed.has(one)));
  return { declarations, exported: new Set(exported.keys()), imported };
}

function readSource(file: string): Source {
  const declarations: Declaration[] = [];
  const imports = new Map<string, Reference>();
  const exports: Reexport[] = [];
  const target = (specifier: string) =>
    specifier.startsWith(".") ? resolve(dirname(file), specifier.replace(/\.ts$/, ".d.ts")) : specifier;

  for (const statement of statementsOf(readFileSync(file, "utf8"))) {
    const code = withoutComments(statement).trim();
    if (code === "" || code === "export {};") continue;
    const link = /^(import|export)(?: type)? (?:\* as \w+|\*|\{([^}]*)\}) from "([^"]+)";$/.exec(code);
    const declared = /^(export )?(?:declare )?(?:abstract )?(interface|type|class|function|const|enum) ([\w$]+)/.exec(code);
    if (link) {
      const [, keyword, list, specifier = ""] = link;
      const names = list === undefined ? null : namesIn(list);
      if (keyword === "export") exports.push({ from: target(specifier), names });
      else for (const { name, as } of names ?? []) imports.set(as, { from: target(specifier), name });
    } else if (declared) {
      const [, keyword, kind, name = ""] = declared;
      const text = statement.replace(/^(?:export )?(?:declare )?(?=\w)/m, "");
      declarations.push({ file, name, isType: /interface|type/.test(kind ?? ""), isExported: keyword !== undefined, text });
    } else if (!code.startsWith("import ")) {
      throw new Error(`${file}: can't read ${code.slice(0, 80)}`);
    }
  }
  return { declarations, imports, exports };
}

function namesIn(list: string): { name: string; as: string }[] {
  return list
    .split(",")
    .map((part) => part.trim().replace(/^type /, ""))
    .filter((part) => part !== "")
    .map((part) => {
      const [name = "", as = name] = part.split(" as ");
      return { name, as };
    });
}

/** tsc begins each statement, and each comment above one, at the start of a line; nothing else of them stands there. */
function statementsOf(text: string): string[] {
  const statements: string[] = [];
  let comment: string[] = [];
  let current: string[] = [];
  const flush = () => {
    if (current.length > 0) statements.push([...comment, ...current].join("\n"));
    if (current.length > 0) comment = [];
    current = [];
  };
  let inComment = false;
  for (const line of text.split("\n")) {
    if (line.startsWith("/**")) {
      flush();
      comment = [];
      inComment = true;
    } else if (!inComment && /^[a-z]/.test(line)) flush();
    (inComment ? comment : current).push(line);
    if (inComment && line.endsWith("*/")) inComment = false;
  }
  flush();
  return statements;
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
}
