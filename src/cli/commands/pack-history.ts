import type { Command } from "commander";
import { connect, segment } from "../client.ts";
import type { Context } from "../context.ts";
import { readLimit } from "../options.ts";
import { shortTime } from "../text.ts";

interface Reload {
  id: number;
  created: string;
  version: string | null;
  snapshot: string | null;
  added: string[];
  changed: string[];
  removed: string[];
  errors: unknown[];
  timing: { watch_ms: number; parse_ms: number; database_ms: number; publish_ms: number };
  ms: number;
}

/** Names spelt out before the rest is counted. */
const mostNames = 4;

export function addHistory(command: Command, context: () => Context): void {
  command
    .command("history <ref>")
    .description("show how a pack changed, newest first, and where the time of each reload went")
    .option("--limit <n>", "how many", readLimit, 20)
    .action(async (ref: string, { limit }: { limit: number }) => {
      const shown = context();
      const ms = (header: string, value: (one: Reload) => number) => ({ header, value, align: "right" as const });
      await shown.list(
        await connect(shown).list<Reload>(`/packs/${segment(ref)}/history`, {}, limit),
        [
          { header: "ID", value: (one) => one.id, align: "right" },
          { header: "CREATED", value: (one) => shortTime(one.created) },
          { header: "VERSION", value: (one) => one.version },
          { header: "CONTENT", value: (one) => one.snapshot?.slice(0, 12) ?? null },
          { header: "CHANGES", value: (one) => changesLine(ref, one), shrinks: true },
          {
            header: "ERRORS",
            value: (one) => one.errors.length,
            align: "right",
            style: (text) => (text === "0" ? undefined : "red"),
          },
          ms("MS", (one) => one.ms),
          ms("WATCH", (one) => one.timing.watch_ms),
          ms("PARSE", (one) => one.timing.parse_ms),
          ms("DATABASE", (one) => one.timing.database_ms),
          ms("PUBLISH", (one) => one.timing.publish_ms),
        ],
        "no reloads",
      );
    });
}

/** `+greet +wait ~pack.yaml -old`; of many only the first are named. */
function changesLine(pack: string, { added, changed, removed }: Reload): string {
  const named = (sign: string, refs: readonly string[], ofPack: string) =>
    refs.map((ref) => sign + (ref === pack ? ofPack : ref.startsWith(`${pack}.`) ? ref.slice(pack.length + 1) : ref));
  const names = [...named("+", added, "the pack"), ...named("~", changed, "pack.yaml"), ...named("-", removed, "the pack")];
  const rest = names.length - mostNames;
  return rest > 1 ? `${names.slice(0, mostNames).join(" ")} and ${rest} more` : names.join(" ") || "none";
}
