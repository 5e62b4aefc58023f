import type { FlatSchema } from "../core/registry.ts";

/** A schema for people, one property a line: `seconds  integer, required, default 1: how long`. */
export function schemaLines(schema: FlatSchema): string {
  const names = Object.keys(schema);
  if (names.length === 0) return "none";
  const width = Math.max(...names.map((name) => name.length));
  return names
    .map((name) => {
      const property = schema[name] ?? {};
      const facts = [
        String(property["type"] ?? "any"),
        ...(property["required"] === true ? ["required"] : []),
        ...(property["secret"] === true ? ["secret"] : []),
        ...(property["default"] === undefined ? [] : [`default ${JSON.stringify(property["default"])}`]),
        ...(Array.isArray(property["enum"]) ? [`one of ${property["enum"].join(", ")}`] : []),
      ].join(", ");
      const description = property["description"];
      return `${name.padEnd(width)}  ${facts}${typeof description === "string" ? `: ${description}` : ""}`;
    })
    .join("\n");
}
