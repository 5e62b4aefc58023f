import { readdirSync } from "node:fs";
import { toError } from "../errors.ts";
import { type FileStates, fileStates, isMissing } from "../packs/files.ts";
import { mistake, type Place } from "../packs/problems.ts";
import { MAX_YAML_BYTES, type PackDocument, parseDocument } from "../packs/yaml/document.ts";
import { qualify, resolveInsideSync } from "../paths.ts";
import type { JsonObject, Problem } from "../plugin.ts";
import { compileRegex, type Regex } from "../regex.ts";
import type { Spot } from "../spot.ts";
import { type CaseFields, readFields } from "./case-schema.ts";

/** What a text must hold. */
export interface TextExpectation {
  readonly contains: readonly string[];
  /** Found anywhere in the text. */
  readonly matches: { readonly pattern: string; readonly regex: Regex } | null;
}

interface CaseBase {
  readonly name: string;
  /** Relative to the pack. */
  readonly file: string;
  /** Place of a part of the case, by its path. */
  readonly at: (path: Spot["path"]) => Place;
}
export interface ActionCase extends CaseBase {
  readonly kind: "action";
  readonly action: string;
  readonly parameters: JsonObject;
  readonly env: Readonly<Record<string, string>>;
  /** Seconds. */
  readonly timeout: number | null;
  readonly expect: {
    /** null: nothing is expected of it. */
    readonly status: string | null;
    readonly exitCode: number | null;
    readonly result: JsonObject | null;
    readonly stdout: TextExpectation | null;
    readonly stderr: TextExpectation | null;
    readonly error: TextExpectation | null;
  };
}
export interface RuleCase extends CaseBase {
  readonly kind: "rule";
  readonly rule: string;
  readonly payload: JsonObject;
  readonly expect: {
    readonly fires: boolean;
    readonly reason: TextExpectation | null;
    readonly parameters: JsonObject | null;
  };
}
export type TestCase = ActionCase | RuleCase;

export interface CaseFiles {
  readonly cases: readonly TestCase[];
  readonly problems: readonly Problem[];
}

/** The cases of a pack: the YAML files directly in its directory `folder`, by name. None when there is no such directory. */
export function readCases(packDir: string, pack: string, folder: string): CaseFiles {
  const files = fileStates(packDir, new Map());
  let names: string[];
  try {
    names = readdirSync(resolveInsideSync(packDir, folder)).filter((name) => /^[^.].*\.ya?ml$/.test(name));
  } catch (thrown) {
    if (isMissing(thrown)) return { cases: [], problems: [] };
    return { cases: [], problems: [mistake(folder, null, `can't be read: ${toError(thrown).message}`)] };
  }
  const read = names.sort().map((name) => readFile(files, `${folder}/${name}`, pack));
  return { cases: read.flatMap(({ cases }) => cases), problems: read.flatMap(({ problems }) => problems) };
}

function readFile(files: FileStates, file: string, pack: string): CaseFiles {
  try {
    const parsed = files.parsed(file, MAX_YAML_BYTES, undefined, (bytes) => parseDocument(bytes, file));
    return parsed.document ? readDocument(parsed.document, pack) : { cases: [], problems: parsed.problems };
  } catch (thrown) {
    return { cases: [], problems: [mistake(file, null, `can't be read: ${toError(thrown).message}`)] };
  }
}

function readDocument(document: PackDocument, pack: string): CaseFiles {
  const { value, file } = document;
  const list = value["cases"];
  const problems = Object.keys(value)
    .filter((key) => key !== "cases")
    .map((key) => mistake(file, document.at([key], "key"), `unknown key \`${key}\``, "a file of tests has the key `cases` only"));
  if (!Array.isArray(list)) {
    const hint = "write cases: and below it a list; other YAML files belong into a folder of their own";
    const message = list === undefined ? "`cases` is missing" : "`cases` must be a list";
    return { cases: [], problems: [...problems, mistake(file, document.at(["cases"]), message, hint)] };
  }
  const cases = list.flatMap((item, i) => {
    const at = (path: Spot["path"], of?: "key" | "value") => document.at(["cases", i, ...path], of);
    const read = readFields(item);
    if ("fields" in read) return [toCase(read.fields, { file, at, pack, i })];
    for (const { path, message, hint, kind } of read.flaws)
      problems.push(mistake(file, at(path, kind === "unknown" ? "key" : "value"), message, hint));
    return [];
  });
  return { cases, problems };
}

function toCase(
  fields: CaseFields,
  { file, at, pack, i }: { file: string; at: CaseBase["at"]; pack: string; i: number },
): TestCase {
  if ("rule" in fields) {
    const { fires, reason, parameters } = fields.expect;
    return {
      kind: "rule",
      name: fields.name ?? `${fields.rule} ${fires ? "fires" : "does not fire"} (${i + 1})`,
      file,
      at,
      rule: qualify(fields.rule, pack),
      payload: fields.event,
      expect: { fires, reason: textOf(reason), parameters: parameters ?? null },
    };
  }
  const expect = fields.expect ?? {};
  return {
    kind: "action",
    name: fields.name ?? `${fields.action} (${i + 1})`,
    file,
    at,
    action: qualify(fields.action, pack),
    parameters: fields.parameters ?? {},
    env: fields.env ?? {},
    timeout: fields.timeout ?? null,
    expect: {
      // An exit code says more than the status that follows from it.
      status: expect.status ?? (expect.exit_code === undefined ? "completed" : null),
      exitCode: expect.exit_code ?? null,
      result: expect.result ?? null,
      stdout: textOf(expect.stdout),
      stderr: textOf(expect.stderr),
      error: textOf(expect.error),
    },
  };
}

type StatedText = { readonly contains?: string | readonly string[]; readonly matches?: string };

function textOf(stated: StatedText | undefined): TextExpectation | null {
  if (!stated) return null;
  const { contains = [], matches } = stated;
  return {
    contains: typeof contains === "string" ? [contains] : contains,
    matches: matches === undefined ? null : { pattern: matches, regex: compileRegex(matches) },
  };
}
