import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { TestDaemon } from "./daemon.ts";
import { attuneCommand } from "./program.ts";
import { until } from "./until.ts";

/**
 * Replays a page of the documentation, so that what it shows stays true. Of its fenced blocks
 *
 * - one whose first or second line is a comment that names a file (`# packs/p/pack.yaml`) is saved as that file,
 * - the lines of a `console` block that start with `$ ` are run in a shell in the project, and must print what follows them,
 * - the lines of a `log` block must be in the daemon's log, in that order, after those of the last one.
 *
 * All others are for reading only. Times, ids and the like are masked, spaces between columns are one, and a line `...`
 * stands for any lines.
 */
type Block =
  | { readonly kind: "file"; readonly line: number; readonly path: string; readonly content: string }
  | { readonly kind: "command"; readonly line: number; readonly command: string; readonly output: readonly string[] }
  | { readonly kind: "log"; readonly line: number; readonly lines: readonly string[] };

const patience = 10_000;
/** Lines of a failure. */
const mostShown = 30;

export function parsePage(markdown: string): Block[] {
  const blocks: Block[] = [];
  let fence: { language: string; line: number; lines: string[] } | undefined;
  for (const [i, text] of markdown.split("\n").entries()) {
    const opening = /^```(\w*)/.exec(text);
    if (!fence && opening) fence = { language: opening[1] ?? "", line: i + 2, lines: [] };
    else if (fence && text === "```") {
      blocks.push(...blocksIn(fence.language, fence.lines, fence.line));
      fence = undefined;
    } else fence?.lines.push(text);
  }
  if (fence) throw new Error(`the block of line ${fence.line - 1} is not closed`);
  return blocks;
}

function blocksIn(language: string, lines: readonly string[], line: number): Block[] {
  if (language === "log") return [{ kind: "log", line, lines }];
  if (language === "console") {
    const starts = lines.flatMap((text, i) => (text.startsWith("$ ") ? [i] : []));
    return starts.map((start, n) => ({
      kind: "command" as const,
      line: line + start,
      command: lines[start]?.slice(2) ?? "",
      output: lines.slice(start + 1, starts[n + 1]),
    }));
  }
  const path = lines
    .slice(0, 2)
    .map((text) => /^(?:#|\/\/) ([\w./-]+\/[\w.-]+)$/.exec(text)?.[1])
    .find((found) => found !== undefined);
  return path === undefined ? [] : [{ kind: "file", line, path, content: `${lines.join("\n")}\n` }];
}

/** Replays the page on a running daemon whose log is for people. Fails with the line of the page that is not true. */
export async function replayPage(markdown: string, daemon: TestDaemon): Promise<void> {
  const bin = join(daemon.project.scratch, "bin");
  const wrapper = `#!/bin/sh\nexec ${attuneCommand()
    .map((word) => `'${word}'`)
    .join(" ")} "$@"\n`;
  save(join(bin, "attune"), wrapper);
  const env = { ...daemon.project.env, PATH: `${bin}:${daemon.project.env["PATH"]}` };
  let logged = 0;

  for (const block of parsePage(markdown)) {
    switch (block.kind) {
      case "file":
        save(join(daemon.dir, block.path), block.content);
        break;
      case "log":
        logged = await untilTrue(block, block.lines, () => {
          const lines = daemon.log().split("\n").map(mask);
          const end = endOfMatch(lines, block.lines.map(mask), logged);
          return end === undefined ? { seen: lines.slice(logged) } : { result: end };
        });
        break;
      case "command":
        // What a save or an event brings about takes a moment, and a reader's eye longer than that.
        await untilTrue(block, block.output, async () => {
          const seen = await run(block.command, daemon.dir, env);
          return areSame(seen.map(mask), block.output.map(mask)) ? { result: true } : { seen };
        });
        break;
    }
  }
}

type Attempt<T> = { readonly result: T } | { readonly seen: readonly string[] };

async function untilTrue<T>(
  block: Block,
  expected: readonly string[],
  attempt: () => Attempt<T> | Promise<Attempt<T>>,
): Promise<T> {
  let last: readonly string[] = [];
  const subject = block.kind === "command" ? `$ ${block.command}` : `the ${block.kind}`;
  const met = await until(
    subject,
    async () => {
      const outcome = await attempt();
      if ("result" in outcome) return outcome;
      last = outcome.seen;
      return undefined;
    },
    { timeout: patience },
  ).catch(() => {
    const shown = (lines: readonly string[]) =>
      lines
        .slice(0, mostShown)
        .map((line) => `  ${line}`)
        .join("\n");
    throw new Error(`line ${block.line} of the page: ${subject}\nshould say\n${shown(expected)}\nand says\n${shown(last)}`);
  });
  return met.result;
}

async function run(command: string, cwd: string, env: Readonly<Record<string, string>>): Promise<string[]> {
  const child = Bun.spawn(["bash", "-c", `exec 2>&1; ${command}`], {
    cwd,
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const text = await new Response(child.stdout).text();
  await child.exited;
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

function save(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  if (content.startsWith("#!")) chmodSync(path, 0o755);
}

/** The index behind the last of the expected lines when they are there in their order from `start` on. */
function endOfMatch(lines: readonly string[], expected: readonly string[], start: number): number | undefined {
  let at = start;
  for (const line of expected) {
    const found = lines.indexOf(line, at);
    if (found < 0) return undefined;
    at = found + 1;
  }
  return at;
}

function areSame(lines: readonly string[], expected: readonly string[]): boolean {
  const gap = expected.indexOf("...");
  if (gap < 0) return lines.length === expected.length && lines.every((line, i) => line === expected[i]);
  const after = expected.slice(gap + 1);
  return (
    lines.length >= gap + after.length &&
    areSame(lines.slice(0, gap), expected.slice(0, gap)) &&
    areSame(lines.slice(lines.length - after.length), after)
  );
}

const masks: readonly (readonly [RegExp, string])[] = [
  [/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, "<id>"],
  [/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>"],
  [/\[\d\d:\d\d:\d\d\.\d{3}\]/g, "[<time>]"],
  [/\b\d+[smh] ago\b/g, "<time> ago"],
  [/\b\d+(\.\d+)? ?(ms|s)\b/g, "<n> $2"],
  // The first digits of a content hash.
  [/(?<= {2})[0-9a-f]{12}(?= {2})/g, "<hash>"],
  [/"pid":\d+/g, '"pid":<n>'],
  // Cells of a table that hold a number.
  [/^\d+(?= {2})/, "<n>"],
  [/(?<= {2})\d+(\.\d+)?(?= {2}|$)/g, "<n>"],
  [/\s+$/, ""],
];
/** In the lines around a mistake every space counts, for the caret stands below its column. */
const frame = /^[ >]*\d* \| /;

function mask(line: string): string {
  const masked = masks.reduce((text, [pattern, word]) => text.replace(pattern, word), line);
  return frame.test(line) ? masked : masked.replace(/ +/g, " ");
}
