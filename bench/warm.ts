import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDaemon } from "../tests/support/daemon.ts";
import { openDatabase } from "../tests/support/database.ts";
import { attuneCommand } from "../tests/support/program.ts";
import { until } from "../tests/support/until.ts";
import { type StartOptions, startWarmPython } from "../tests/support/warm.ts";
import { shell } from "./bare.ts";
import { type Figure, median, quantile, type Row } from "./figure.ts";

const concurrencies = [1, 4, 16];
const runs = 200;
const recorded = 1_000;

/** How quickly scripts start in each language, Python cold and by a fork server; then the latter with full record. */
export const warm: Figure = {
  name: "warm",
  async measure() {
    const dir = mkdtempSync(join(tmpdir(), "attune-bench-"));
    try {
      return [...(await bareStarts(dir)), ...(await withRecord(dir))];
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

/** Each notes the time of its first instruction, in milliseconds since 1970, in the file that it is told. */
const scripts = {
  "note.sh": 'echo "$EPOCHREALTIME" >> "$1"\n',
  "note.py": "import time; now = time.time()\nimport sys\nopen(sys.argv[1], 'a').write('%f\\n' % now)\n",
  "note.js":
    "const now = performance.timeOrigin + performance.now();\nrequire('fs').appendFileSync(process.argv[2], now / 1000 + '\\n');\n",
};

type Start = (script: string, options: StartOptions) => Promise<unknown>;

async function bareStarts(dir: string): Promise<Row[]> {
  for (const [name, text] of Object.entries(scripts)) writeFileSync(join(dir, name), text);
  const program = Bun.which("python3", { PATH: "/usr/bin:/usr/local/bin" });
  const node = Bun.which("node");
  const [attune] = attuneCommand();
  const spawn =
    (argv: readonly string[], env: Record<string, string> = {}): Start =>
    async (script, { args = [] }) => {
      const child = Bun.spawn([...argv, join(dir, script), ...args], {
        env: { PATH: "/usr/bin:/bin", ...env },
        stdout: "pipe",
        stderr: "pipe",
      });
      await Promise.all([new Response(child.stdout).bytes(), new Response(child.stderr).bytes(), child.exited]);
    };
  const rows: Row[] = [];
  const add = async (name: string, script: keyof typeof scripts, start: Start, target?: Row["target"]) => {
    const file = join(dir, "times");
    for (const concurrency of concurrencies) {
      const { starts, rate } = await measureStarts(file, concurrency, (args) => start(script, { args }));
      if (concurrency === 1) {
        rows.push({
          name: `${name}: start to first instruction p50`,
          value: median(starts),
          unit: "ms",
          ...(target && { target }),
        });
        rows.push({ name: `${name}: the same, p99`, value: quantile(starts, 0.99), unit: "ms" });
      }
      rows.push({ name: `${name}: scripts, ${concurrency} at once`, value: rate, unit: "/s" });
    }
  };
  await add("shell", "note.sh", spawn([shell]));
  if (program) {
    await using python = await startWarmPython(program, dir);
    await python.ready();
    await add("python, bare spawn", "note.py", spawn([program, "-u"]));
    await add("python cold", "note.py", (script, options) => python.run("cold", script, options));
    await add("python warm", "note.py", (script, options) => python.run("warm", script, options), { most: 8 });
  }
  await add("bun", "note.js", spawn([attune, "run", "--no-install", "--no-env-file", "--config=/dev/null"], { BUN_BE_BUN: "1" }));
  if (node) await add("node", "note.js", spawn([node]));
  return rows;
}

async function measureStarts(file: string, concurrency: number, start: (args: readonly string[]) => Promise<unknown>) {
  const starts: number[] = [];
  const began = performance.now();
  let left = runs;
  await Promise.all(
    Array.from({ length: concurrency }, async (_, lane) => {
      while (left-- > 0) {
        const own = `${file}-${lane}`;
        const asked = performance.timeOrigin + performance.now();
        await start([own]);
        starts.push(Number(readFileSync(own, "utf8")) * 1_000 - asked);
        rmSync(own);
      }
    }),
  );
  return { starts, rate: (runs / (performance.now() - began)) * 1_000 };
}

async function withRecord(dir: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const warmly of [false, true]) {
    const file = join(dir, `recorded-${warmly}`);
    await using daemon = await startDaemon({
      config: `export default { warm: ${warmly} };\n`,
      packs: {
        "bench/pack.yaml": "ref: bench\nversion: 1.0.0\n",
        "bench/triggers/number.yaml": "ref: bench.number\n",
        "bench/sensors/burst.yaml": "ref: bench.burst\nentry_point: burst.sh\ntrigger_types: [number]\n",
        // The first one brings up the fork server.
        "bench/sensors/burst.sh": `echo '{"event_id":"0","payload":{"n":"0"}}'\nsleep 2\nseq ${recorded} | sed 's/.*/{"event_id":"&","payload":{"n":"&"}}/'\nexec sleep 100000\n`,
        "bench/actions/append.yaml":
          "ref: bench.append\nrunner_type: python\nentry_point: append.py\nparameters: { n: { type: string }, file: { type: string } }\n",
        "bench/actions/append.py":
          "import json, sys\ngiven = json.load(sys.stdin)\nopen(given['file'], 'a').write(given['n'] + '\\n')\n",
        "bench/rules/each.yaml": `ref: bench.each\ntrigger_ref: number\naction_ref: append\naction_params: { n: "{{ event.payload.n }}", file: ${JSON.stringify(file)} }\n`,
      },
    });
    await using database = await openDatabase(daemon.project);
    const rate = await until(
      "every execution is over",
      async () => {
        const [row] = await database.query<{ done: number; seconds: number }>(
          `SELECT count(*)::int AS done, extract(epoch FROM max(x.finished) - min(e.created))::float8 AS seconds
           FROM execution x JOIN event e ON e.id = x.event_id
           WHERE x.status = 'completed' AND e.payload->>'n' <> '0'`,
        );
        await Bun.sleep(250);
        return row?.done === recorded && recorded / row.seconds;
      },
      { timeout: 120_000 },
    );
    rows.push({
      name: `python ${warmly ? "warm" : "cold"}: executions with full record, embedded`,
      value: rate,
      unit: "/s",
      ...(warmly && { target: { least: 250 } }),
    });
  }
  return rows;
}
