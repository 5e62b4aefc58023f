import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import { parse } from "yaml";
import { editorSchemaOf } from "../../src/core/packs/kinds/editor-schema.ts";
import { fieldTables, type Kind } from "../../src/core/packs/kinds/fields.ts";
import { FOLDERS } from "../../src/core/packs/listing.ts";
import { repository } from "../support/script.ts";
import { terminal } from "../support/terminal.ts";

const kinds = Object.keys(fieldTables) as Kind[];
const validators = new Map<string, ValidateFunction>(
  kinds.map((kind) => [
    kind,
    new Ajv({ allErrors: true, allowUnionTypes: true, strictTypes: false }).compile(editorSchemaOf(kind)),
  ]),
);
function judge(kind: Kind, yaml: string): string[] {
  const validate = validators.get(kind);
  return validate?.(parse(yaml)) ? [] : (validate?.errors ?? []).map(({ instancePath, keyword }) => `${instancePath} ${keyword}`);
}

const files = readdirSync(join(repository, "packs"), { recursive: true })
  .map(String)
  .filter((file) => file.endsWith(".yaml") && !file.includes("node_modules"))
  .sort();
const kindOf = (file: string): Kind => kinds.find((kind) => kind !== "pack" && file.includes(`/${FOLDERS[kind]}/`)) ?? "pack";

test("there are files of each kind to try", () => {
  expect(new Set(files.map(kindOf))).toEqual(new Set(kinds));
});

test.each(files)("%s fits", (file) => {
  expect(judge(kindOf(file), readFileSync(join(repository, "packs", file), "utf8"))).toEqual([]);
});

describe("an editor flags", () => {
  const action = "ref: p.a\nentry_point: a.sh\n";
  test.each<[string, Kind, string, string[]]>([
    ["a misspelt key", "action", `${action}discription: x\n`, [" additionalProperties"]],
    ["a key of another kind", "trigger", "ref: p.t\nentry_point: x\n", [" additionalProperties"]],
    ["what is missing", "action", "ref: p.a\n", [" required"]],
    ["what is missing in every spelling", "rule", "ref: r\ntrigger: t\n", [" required", " required", " anyOf"]],
    ["a wrong choice", "action", `${action}parameter_format: xml\n`, ["/parameter_format enum"]],
    ["a wrong type", "action", `${action}timeout: soon\n`, ["/timeout type"]],
    ["a bad ref", "sensor", "ref: a.b.c\nentry_point: s.py\n", ["/ref pattern"]],
    [
      "a wrong type of a parameter",
      "action",
      `${action}parameters: {a: {type: text}}\n`,
      ["/parameters/a/type enum", "/parameters/a/type type", "/parameters/a/type anyOf", "/parameters if"],
    ],
    [
      "a parameter that is no mapping",
      "trigger",
      "ref: p.t\npayload_schema: {a: string}\n",
      ["/payload_schema/a type", "/payload_schema if"],
    ],
  ])("%s", (_, kind, yaml, errors) => {
    expect(judge(kind, yaml)).toEqual(errors);
  });

  test.each<[Kind, string]>([
    ["rule", "ref: r\ntrigger: t\naction: a\n"],
    ["rule", "ref: r\ntrigger_ref: t\naction: a\n"],
    ["action", `${action}output_schema: {type: object, properties: {n: {type: integer}}, required: [n]}\n`],
    ["action", `${action}parameters: {type: {type: string}, own: {type: [string, "null"], position: 1}}\n`],
    ["sensor", "ref: p.s\nentry_point: s.py\ntrigger_type: t\n"],
  ])("nothing in a %s like %j", (kind, yaml) => {
    expect(judge(kind, yaml)).toEqual([]);
  });
});

test("every field says what it is for", () => {
  for (const kind of kinds) {
    const { properties } = editorSchemaOf(kind) as { properties: Record<string, { description?: string }> };
    for (const [name, { description }] of Object.entries(properties))
      expect([kind, name, description]).toEqual([kind, name, expect.any(String)]);
  }
});

test("attune schema prints them, lists the kinds, and needs no daemon", async () => {
  const attune = (...argv: string[]) => terminal({ cwd: repository }).run(["schema", ...argv]);
  const { code, out } = await attune("action");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ $schema: "http://json-schema.org/draft-07/schema#", title: "attune action" });
  expect(JSON.parse(out)).toEqual(editorSchemaOf("action"));
  expect((await attune("rule", "-o", "yaml")).out).toStartWith("$schema: http://json-schema.org/draft-07/schema#\n");
  expect((await attune()).out).toStartWith("KIND     FILES\npack     pack.yaml\naction   actions/*.yaml\n");
  expect(await attune("acton")).toEqual({
    code: 3,
    out: "",
    err: "error: there is no kind of file acton\nhint: did you mean action?\n",
  });
});
