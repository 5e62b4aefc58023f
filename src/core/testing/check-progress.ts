import type { Position } from "../errors.ts";
import { placeOf } from "../modules.ts";
import { mistakeAt, placeOfWord } from "../plugins/places.ts";
import type { Tried } from "../plugins/trial.ts";
import type { Outcome } from "./plugin-check.ts";
import type { CheckLine } from "./plugin-check-child.ts";

/** What a process that tries cases has said so far, turned into outcomes. */
export interface CheckProgress {
  take(line: CheckLine): void;
  /** The process is gone. The case it was at, if any, failed for this reason; what it had not come to was not tried. */
  over(reason: { readonly message: string; readonly hint: string | null; readonly place: Position | null }): void;
  /** Whether the cases are known: before that, nothing of the plugin ran. */
  readonly started: boolean;
}

export function createProgress({ file, inputs }: Tried, note: (outcome: Outcome) => void): CheckProgress {
  let ahead: string[] | null = null;
  let current: { readonly name: string; readonly member: string; readonly at: number } | null = null;

  function end(ms: number, wrong: { message: string; hint: string | null; place: Position | null } | null): void {
    if (!current) return;
    const { name, member } = current;
    current = null;
    if (!wrong) {
      note({ name, status: "ok", ms, problem: null });
      return;
    }
    const at = wrong.place ?? placeOfWord(member, file, inputs) ?? { file };
    note({ name, status: "failed", ms, problem: mistakeAt(wrong.message, at, wrong.hint) });
  }
  const elapsed = () => (current ? Math.round(performance.now() - current.at) : 0);

  return {
    get started() {
      return ahead !== null;
    },
    take(line) {
      if ("cases" in line) ahead = [...line.cases];
      else if ("began" in line) {
        current = { ...line.began, at: performance.now() };
        ahead?.shift();
      } else if ("kept" in line) end(line.kept.ms, null);
      else if ("broken" in line) end(line.broken.ms, { ...line.broken, place: placeOf(line.broken, inputs) });
      else {
        const message = "it ends the process with process.exit, which would end the daemon";
        end(elapsed(), { message, hint: "throw an error instead", place: placeOf(line.exits, inputs) });
      }
    },
    over(reason) {
      end(elapsed(), reason);
      for (const name of ahead ?? []) note({ name, status: "not tried", ms: 0, problem: null });
    },
  };
}
