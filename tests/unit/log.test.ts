import { expect, test } from "bun:test";
import { join } from "node:path";
import { repository, runCommand } from "../support/script.ts";

const logging = (options: string, calls: string) =>
  runCommand([
    process.execPath,
    "-e",
    `import { createLogger } from ${JSON.stringify(join(repository, "src/core/log.ts"))};
     const log = createLogger(${options});
     ${calls}`,
  ]);

test("without a terminal it writes JSON lines, of the level and above, before the process can die", async () => {
  const { stdout, code } = await logging(
    '{ level: "info", format: "auto" }',
    'log.debug("no"); log.child({ pack: "p" }).warn("careful", { line: 3 }); log.error("last"); process.kill(process.pid, "SIGKILL");',
  );
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines).toMatchObject([
    { level: "warn", pack: "p", line: 3, msg: "careful" },
    { level: "error", msg: "last" },
  ]);
  expect(lines[0]?.time).toMatch(/^\d{4}-\d\d-\d\dT/);
  expect(code).not.toBe(0);
});

test("for people it writes one plain line, without colour when that is not a terminal", async () => {
  const { stdout } = await logging('{ level: "debug", format: "pretty" }', 'log.info("ready", { url: "http://x" });');
  expect(stdout).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: ready .*http:\/\/x.*\n$/);
});

const mistake = 'log.error("r.yaml:3:7: unknown \\u001b[2J", { hint: "did you mean x?", frame: "> 3 | paylod\\n    | ^" });';

test("people see the lines of a file below the message, and nothing that acts on the terminal", async () => {
  const { stdout } = await logging('{ level: "info", format: "pretty" }', mistake);
  const [first, ...rest] = stdout.split("\n");
  expect(first).toEndWith("ERROR: r.yaml:3:7: unknown \\u001b[2J");
  expect(rest).toEqual(["    > 3 | paylod", "        | ^", "    hint: did you mean x?", ""]);
  const { stdout: more } = await logging('{ level: "info", format: "pretty" }', mistake.replace("{ hint", "{ n: 1, hint"));
  expect(more.split("\n").slice(-3)).toEqual(["    hint: did you mean x?", '    {"n":1}', ""]);
  const { stdout: plain } = await logging('{ level: "info", format: "pretty" }', 'log.warn("as root", { hint: "use another" });');
  expect(plain).toEndWith("WARN: as root (hint: use another)\n");
});

test("JSON lines have the hint and not the frame", async () => {
  const { stdout } = await logging('{ level: "info", format: "json" }', mistake);
  const line = JSON.parse(stdout);
  expect(line).toMatchObject({ hint: "did you mean x?", msg: "r.yaml:3:7: unknown \u001b[2J" });
  expect(line).not.toHaveProperty("frame");
});
