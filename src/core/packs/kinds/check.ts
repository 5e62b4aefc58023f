import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { nearest } from "../../errors.ts";
import { isComponentRef } from "../../paths.ts";
import type { Json, JsonObject, Problem } from "../../plugin.ts";
import { mistake, warning } from "../problems.ts";
import type { PackDocument } from "../yaml/document.ts";
import { fieldTables, type Kind, schemaOf } from "./fields.ts";
import { unknownKeys } from "./inner-keys.ts";

/** The fields of a file by their proper names, absent ones left out, and what is wrong with them. */
export interface CheckedFields<Fields> {
  /** null when one of them does not fit the schema of its kind. */
  readonly fields: Fields | null;
  /** The same, fitting or not. */
  readonly stated: JsonObject;
  readonly problems: readonly Problem[];
  /** Like {@link PackDocument.at}, for a path that starts with a proper name whatever spelling the file uses. */
  readonly at: PackDocument["at"];
}

/**
 * Brings a file's keys to their proper names and checks it against the schema of its kind; `Fields` is what that schema admits.
 * Unknown keys are warnings. `pack` is the ref of the file's pack, for hints.
 */
export function checkFields<Fields>(kind: Kind, document: PackDocument, pack: string): CheckedFields<Fields> {
  const problems: Problem[] = [];
  const { fields: stated, spellings } = properNames(kind, document, problems);
  const at: PackDocument["at"] = (path, of) => {
    const [first, ...rest] = path;
    return document.at(first === undefined ? [] : [spellings.get(String(first)) ?? first, ...rest], of);
  };
  for (const [field, value] of Object.entries(stated)) {
    for (const { path, near } of unknownKeys(fieldTables[kind].fields[field] ?? {}, value, [field])) {
      const message = `unknown key \`${path.join(".")}\` is ignored`;
      problems.push(warning(document.file, at(path, "key"), message, near ? `did you mean \`${near}\`?` : null));
    }
  }
  const validate = validatorOf(kind) as ValidateFunction<Fields>;
  if (validate(stated)) return { fields: stated, stated, problems, at };
  for (const error of validate.errors ?? []) problems.push(explain(error, { kind, pack, file: document.file, spellings, at }));
  return { fields: null, stated, problems, at };
}

function properNames(kind: Kind, document: PackDocument, problems: Problem[]) {
  const table = fieldTables[kind];
  const known = [...Object.keys(table.fields), ...Object.keys(table.aliases)];
  const fields: JsonObject = {};
  const spellings = new Map<string, string>();
  for (const [key, value] of Object.entries(document.value)) {
    const field = Object.hasOwn(table.fields, key) ? key : Object.hasOwn(table.aliases, key) ? table.aliases[key] : undefined;
    const place = () => document.at([key], "key");
    if (field === undefined) {
      const near = nearest(key, known);
      problems.push(
        warning(
          document.file,
          place(),
          `unknown key \`${key}\` is ignored`,
          near ? `did you mean \`${near}\`?` : "put notes of your own under `meta`",
        ),
      );
    } else if (field !== key && hasValue(document.value, field)) {
      problems.push(
        warning(document.file, place(), `\`${key}\` is ignored, because \`${field}\` is there too`, "remove one of the two"),
      );
    } else if (value !== null && !Object.hasOwn(fields, field)) {
      fields[field] = value;
      spellings.set(field, key);
    } else if (!spellings.has(field)) {
      spellings.set(field, key);
    }
  }
  return { fields, spellings };
}

function hasValue(object: JsonObject, key: string): boolean {
  return Object.hasOwn(object, key) && object[key] !== null;
}

/** Made when a file of the kind is first read: compiling all of them would cost every start 10 ms. */
const validators = new Map<Kind, ValidateFunction>();

function validatorOf(kind: Kind): ValidateFunction {
  const made = validators.get(kind);
  if (made) return made;
  const validator = new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true }).compile(schemaOf(kind));
  validators.set(kind, validator);
  return validator;
}

interface Checked {
  readonly kind: Kind;
  readonly pack: string;
  readonly file: string;
  /** Proper name to the key the file uses. */
  readonly spellings: ReadonlyMap<string, string>;
  readonly at: PackDocument["at"];
}

function explain(error: ErrorObject, checked: Checked): Problem {
  const path = error.instancePath
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  if (error.keyword === "required") {
    const field = String(error.params["missingProperty"]);
    return path.length === 0 ? missing(field, checked) : missingWithin(path, field, checked);
  }
  const [first = "", ...rest] = path;
  const name = [checked.spellings.get(first) ?? first, ...rest].join(".");
  const value: Json = error.data as Json;
  const message = `\`${name}\` must be ${expectation(error)}, not ${describeValue(value)}`;
  return mistake(checked.file, checked.at(path), message, hintFor(error, value, checked));
}

function missing(field: string, checked: Checked): Problem {
  if (field === "entry_point" && checked.spellings.has("workflow_file")) {
    return mistake(
      checked.file,
      checked.at(["workflow_file"]),
      "workflow actions are not supported",
      "name a script in entry_point",
    );
  }
  const written = checked.spellings.get(field);
  const message = written ? `\`${written}\` is empty` : `\`${field}\` is missing`;
  return mistake(checked.file, checked.at(written ? [field] : []), message, missingHint(field, checked));
}

function missingWithin(path: readonly string[], field: string, { file, at }: Checked): Problem {
  return mistake(file, at(path), `\`${path.join(".")}\` has no \`${field}\``, `add a line such as ${field}: ...`);
}

function missingHint(field: string, { kind, pack, file }: Checked): string {
  const base = file.slice(file.lastIndexOf("/") + 1).replace(/\.ya?ml$/, "");
  if (field === "version") return 'add a line such as version: "1.0.0"';
  if (field === "ref") return `add the line ref: ${kind === "pack" ? pack : `${pack}.${base}`}`;
  if (field === "entry_point") return `add a line such as entry_point: ${base}.sh`;
  return `add a line such as ${field}: core.${field === "action_ref" ? "echo" : "intervaltimer"}`;
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: "text",
  boolean: "true or false",
  integer: "a whole number",
  number: "a number",
  array: "a list",
  object: "`name: value` lines",
  null: "empty",
};

function expectation(error: ErrorObject): string {
  const title: unknown = error.parentSchema?.["title"];
  if (typeof title === "string") return title;
  if (error.keyword === "enum") return `one of ${allowedWords(error).join(", ")}`;
  if (error.keyword !== "type") return error.message ?? "valid";
  const types: string[] = [error.params["type"]].flat();
  return types.map((type) => TYPE_WORDS[type] ?? type).join(" or ");
}

/** Those of an enum, without the null that stands for leaving the line empty. */
function allowedWords(error: ErrorObject): string[] {
  return (error.params["allowedValues"] as Json[]).filter((value) => value !== null).map(String);
}

function describeValue(value: Json): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "`name: value` lines";
  if (typeof value === "string") return `the text ${JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value)}`;
  return value === null ? "empty" : `the ${typeof value === "number" ? "number " : "value "}${value}`;
}

function hintFor(error: ErrorObject, value: Json, checked: Checked): string | null {
  const types: string[] = [error.params["type"] ?? []].flat();
  if (error.keyword === "enum" && typeof value === "string") {
    const near = nearest(value, allowedWords(error));
    return near ? `did you mean ${near}?` : null;
  }
  if (error.instancePath === "/version") return versionHint(value);
  if (error.keyword === "exclusiveMinimum") return "leave the line out for the default";
  if (error.keyword === "pattern" && typeof value === "string") return namesRef(error) ? refHint(value, checked) : null;
  if (types.includes("boolean")) return booleanHint(value);
  if (types.includes("number") && typeof value === "string") return "write a number without quotes and unit, such as 30";
  if (types.includes("array") && typeof value !== "object") return `write a list: [${value}]`;
  if (types.includes("object")) return Array.isArray(value) ? "remove the dashes" : "indent its `name: value` lines below it";
  if (types.includes("string") && typeof value !== "object") return `put quotes around it: "${value}"`;
  return null;
}

function booleanHint(value: Json): string {
  const meant = /^(yes|on|y|1|true)$/i.test(String(value))
    ? "true"
    : /^(no|off|n|0|false)$/i.test(String(value))
      ? "false"
      : "true or false";
  return `write ${meant}, without quotes`;
}

function versionHint(value: Json): string {
  const numbers = /^\d+(\.\d+)?$/.test(String(value)) ? String(value) : "1.0";
  return `write version: "${numbers.includes(".") ? numbers : `${numbers}.0`}.0"`;
}

function namesRef(error: ErrorObject): boolean {
  return error.instancePath === "/ref" || /\bref/.test(String(error.parentSchema?.["title"]));
}

function refHint(value: string, { kind, pack }: Checked): string | null {
  if (kind !== "pack" && isComponentRef(`${pack}.${value}`)) return `write ${pack}.${value}`;
  if (value.split(".").length > 2) return "a ref has exactly two parts; join the later ones with _";
  if (/[A-Z]/.test(value.split(".")[0] ?? "")) return `did you mean ${value.toLowerCase()}?`;
  return null;
}
