import { AttuneError, nearest } from "../../core/errors.ts";
import type { Kind } from "../../core/packs/kinds/fields.ts";
import type { Register } from "../groups.ts";

export const schemaCommand: Register = (command, context) => {
  command
    .argument("[kind]", "pack, action, trigger, sensor, rule or runtime; without one they are listed")
    .action(async (kind?: string) => {
      const shown = context();
      const { editorSchemaOf, filesOf } = await import("../../core/packs/kinds/editor-schema.ts");
      const { fieldTables } = await import("../../core/packs/kinds/fields.ts");
      const kinds = Object.keys(fieldTables) as Kind[];
      if (kind === undefined) {
        const rows = kinds.map((one) => ({ kind: one, files: filesOf(one) }));
        return shown.list(
          rows,
          [
            { header: "KIND", value: (row) => row.kind },
            { header: "FILES", value: (row) => row.files },
          ],
          "no kinds",
        );
      }
      const known = kinds.find((one) => one === kind);
      if (!known) {
        const near = nearest(kind, kinds);
        throw new AttuneError("NOT_FOUND", `there is no kind of file ${kind}`, {
          hint: near ? `did you mean ${near}?` : `they are ${kinds.join(", ")}`,
        });
      }
      // A schema has no form of its own for people.
      await shown.print(editorSchemaOf(known));
    });
};
