import { AttuneError } from "../../errors.ts";
import type { JsonObject, Problem } from "../../plugin.ts";
import type { FlatSchema } from "../../registry.ts";
import { normaliseSchema } from "../../schema/schema.ts";
import { spotOf } from "../../spot.ts";
import { mistake } from "../problems.ts";
import type { PackDocument } from "../yaml/document.ts";

/** The flat form of the schema a file states under `field`; empty when there is none, or when `report` was told what is wrong. */
export function readSchema(
  field: string,
  raw: JsonObject | undefined,
  { file, at }: Pick<PackDocument, "file" | "at">,
  report: (problem: Problem) => void,
): FlatSchema {
  if (raw === undefined) return {};
  try {
    return normaliseSchema(raw, field);
  } catch (error) {
    if (!(error instanceof AttuneError)) throw error;
    report(mistake(file, at([field, ...(spotOf(error)?.path ?? [])]), error.message, error.hint));
    return {};
  }
}
