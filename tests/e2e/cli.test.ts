import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { makeProject, type Output } from "../support/project.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const packs = {
  "shop/pack.yaml": "ref: shop\nversion: 2.1.0\ndescription: For the command line\n",
  "shop/triggers/sale.yaml": "ref: shop.sale\noutput: { amount: { type: integer, required: true } }\n",
  "shop/actions/book.yaml": `ref: shop.book
entry_point: book.sh
parameters:
  amount: { type: integer, required: true, minimum: 1 }
  note: { type: string, default: none }
output_format: json
`,
  "shop/actions/book.sh": `#!/bin/sh
echo "booking" >&2
printf '{"booked": %s, "note": "%s"}\\n' "$ATTUNE_ACTION_AMOUNT" "$ATTUNE_ACTION_NOTE"
`,
  "shop/actions/fail.yaml": "ref: shop.fail\nentry_point: fail.sh\n",
  "shop/actions/fail.sh": "#!/bin/sh\necho 'no stock' >&2\nexit 7\n",
  "shop/rules/large.yaml": `ref: shop.large
trigger_ref: shop.sale
action_ref: shop.book
when: event.payload.amount > 100
action_params: { amount: "{{ event.payload.amount }}", note: large }
`,
  "shop/sensors/till.yaml": "ref: shop.till\nentry_point: till.sh\ntrigger_types: [shop.sale]\n",
  "shop/sensors/till.sh": "#!/bin/sh\necho 'till is open' >&2\nexec sleep 1000\n",
};

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ packs });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

async function ok(...args: string[]): Promise<Output> {
  const output = await daemon.cli(...args);
  if (output.code !== 0) throw new Error(`attune ${args.join(" ")} exited with ${output.code}: ${output.stderr}`);
  return output;
}

async function json<T = unknown>(...args: string[]): Promise<T> {
  return (await ok(...args, "-o", "json")).json<T>();
}

interface Ids {
  readonly id: string;
}

const isText = expect.any(String);

describe("what is loaded", () => {
  test("status and version", async () => {
    expect(await json("status")).toMatchObject({ pid: daemon.pid, ready: true, url: daemon.url });
    expect(await json("version")).toMatchObject({ version: isText });
    expect((await ok("--version")).stdout).toMatch(/^attune \d+\.\d+\.\d+\n$/);
  });

  test("packs", async () => {
    const shop = {
      ref: "shop",
      version: "2.1.0",
      enabled: true,
      errors: [],
      components: { actions: 2, triggers: 1, sensors: 1, rules: 1, runtimes: 0 },
    };
    expect(await json<unknown[]>("pack", "list")).toContainEqual(expect.objectContaining(shop));
    expect(await json("pack", "show", "shop")).toMatchObject(shop);
    expect(await json("pack", "reload", "shop")).toMatchObject([{ pack: "shop", added: [], changed: [], removed: [] }]);
    expect((await json<{ pack: string }[]>("pack", "reload")).map((report) => report.pack).sort()).toEqual(["core", "shop"]);
    expect(await json("pack", "validate", "packs/shop")).toEqual([]);
  });

  test("actions", async () => {
    const book = {
      ref: "shop.book",
      pack_ref: "shop",
      label: "Book",
      description: null,
      runtime: "core.shell",
      entry_point: "book.sh",
      enabled: true,
    };
    expect(await json<unknown[]>("action", "list", "--pack", "shop")).toEqual([
      expect.objectContaining(book),
      expect.objectContaining({ ref: "shop.fail" }),
    ]);
    expect(await json("action", "show", "shop.book")).toMatchObject({ ...book, parameters: { amount: { minimum: 1 } } });
  });

  test("triggers, sensors and runtimes", async () => {
    const triggers = await json<{ ref: string }[]>("trigger", "list");
    expect(triggers.map(({ ref }) => ref)).toContain("core.crontimer");
    expect(await json("trigger", "show", "shop.sale")).toMatchObject({ ref: "shop.sale", enabled: true });

    const till = { ref: "shop.till", status: "running", pid: expect.any(Number), restarts: 0, trigger_refs: ["shop.sale"] };
    expect(await json<unknown[]>("sensor", "list")).toContainEqual(expect.objectContaining(till));
    expect(await json("sensor", "show", "shop.till")).toMatchObject(till);
    await until("the sensor's log is there", async () => (await ok("sensor", "logs", "shop.till")).stdout === "till is open\n");

    const runtimes = await json<unknown[]>("runtime", "list");
    const shell = {
      ref: "core.shell",
      name: "shell",
      available: true,
      version: null,
      path: expect.stringMatching(/sh$/),
      reason: null,
    };
    expect(runtimes).toContainEqual(expect.objectContaining(shell));
  });
});

describe("what happens", () => {
  test("a run streams the output, gives the record and ends with the action's success", async () => {
    const shown = await ok("run", "shop.book", "amount=3");
    expect(shown.stdout).toBe('{"booked": 3, "note": "none"}\n');
    expect(shown.stderr).toBe("booking\n");

    expect(await json("action", "run", "shop.book", "amount=4", "note=x y")).toMatchObject({
      id: isText,
      action_ref: "shop.book",
      rule_ref: null,
      event_id: null,
      status: "completed",
      parameters: { amount: 4, note: "x y" },
      result: { exit_code: 0, succeeded: true, data: { booked: 4, note: "x y" } },
      exit_code: 0,
      error: null,
      attempt: 1,
      created: isText,
      started: isText,
      finished: isText,
    });

    const failed = await daemon.cli("run", "shop.fail");
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("no stock");
    expect(failed.stderr).toContain("error: shop.fail failed");
    expect(await json("execution", "list", "--action", "shop.fail")).toMatchObject([{ status: "failed", exit_code: 7 }]);
  });

  test("an event goes through a rule to an execution", async () => {
    const large = await json<Ids>("trigger", "emit", "shop.sale", "amount=250", "--key", "sale-1");
    const small = await json<Ids>("trigger", "emit", "shop.sale", "amount=5");
    expect((await json<Ids>("trigger", "emit", "shop.sale", "amount=250", "--key", "sale-1")).id).toBe(large.id);

    const event = { id: large.id, trigger_ref: "shop.sale", sensor_ref: null, payload: { amount: 250 }, created: isText };
    expect(await json<unknown[]>("event", "list", "--trigger", "shop.sale")).toContainEqual(expect.objectContaining(event));
    expect(await json("event", "show", large.id)).toMatchObject(event);

    const unmatched = { event_id: small.id, rule_ref: "shop.large", status: "unmatched", reason: expect.stringContaining("100") };
    const [enforcement] = await json<Ids[]>("enforcement", "list", "--event", small.id);
    expect(enforcement).toMatchObject(unmatched);
    expect(await json("enforcement", "show", String(enforcement?.id))).toMatchObject(unmatched);

    const execution = await until("the execution is completed", async () => {
      return (await json<Ids[]>("execution", "list", "--event", large.id, "--status", "completed")).at(0);
    });
    expect(await json("execution", "show", execution.id)).toMatchObject({ rule_ref: "shop.large", parameters: { amount: 250 } });
    const logs = await ok("execution", "logs", execution.id);
    expect(logs).toMatchObject({ stdout: '{"booked": 250, "note": "large"}\n', stderr: "booking\n" });
    expect(await json<unknown[]>("execution", "list", "--event", small.id)).toEqual([]);
    expect(await json<unknown[]>("execution", "list", "--limit", "1")).toHaveLength(1);
  });

  test("rules are made, turned off and deleted; a pack's rule is only turned off", async () => {
    const made = await json(
      "rule",
      "create",
      "--ref",
      "mine.each",
      "--trigger",
      "shop.sale",
      "--action",
      "shop.book",
      "--param",
      "amount={{ event.payload.amount }}",
    );
    expect(made).toMatchObject({
      id: expect.any(Number),
      ref: "mine.each",
      trigger_ref: "shop.sale",
      action_ref: "shop.book",
      enabled: true,
      trigger_params: {},
      action_params: { amount: "{{ event.payload.amount }}" },
    });
    expect((await json<{ ref: string }[]>("rule", "list")).map(({ ref }) => ref)).toEqual(["mine.each", "shop.large"]);
    expect(await json("rule", "disable", "mine.each")).toMatchObject({ enabled: false });
    expect(await json("rule", "enable", "mine.each")).toMatchObject({ enabled: true });
    expect(await json("rule", "show", "mine.each")).toMatchObject({ enabled: true });
    await ok("rule", "delete", "mine.each");
    expect((await daemon.cli("rule", "show", "mine.each")).code).toBe(3);

    const refused = await daemon.cli("rule", "delete", "shop.large");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("disable");
    expect(await json("rule", "disable", "shop.large")).toMatchObject({ enabled: false });
    await ok("pack", "reload", "shop");
    expect(await json("rule", "show", "shop.large")).toMatchObject({ enabled: false });
    await ok("rule", "enable", "shop.large");
  });
});

describe("files", () => {
  test("init makes a project and never overwrites", async () => {
    const made = await json<{ made: string[]; kept: string[] }>("init", "other");
    expect(made.kept).toEqual([]);
    expect(existsSync(join(daemon.dir, "other/attune.config.ts"))).toBe(true);
    expect(await json("init", "other")).toMatchObject({ made: [], kept: made.made });
  });

  test("eject copies the core pack out", async () => {
    mkdirSync(join(daemon.project.scratch, "ejected"));
    const target = join(daemon.project.scratch, "ejected/core");
    await ok("pack", "eject", "core", "--to", target);
    expect(await json("pack", "validate", target)).toEqual([]);
    expect(existsSync(join(target, "actions/echo.sh"))).toBe(true);
  });
});

describe("exit codes", () => {
  test.each([
    ["unknown command", ["bogus"], 2],
    ["unknown option", ["status", "--bogus"], 2],
    ["parameter that fails its schema", ["run", "shop.book", "amount=0"], 2],
    ["missing parameter", ["run", "shop.book"], 2],
    ["unknown action", ["run", "shop.bok", "amount=1"], 3],
    ["unknown execution", ["execution", "show", "00000000-0000-7000-8000-000000000000"], 3],
    ["wrong token", ["status", "--token", "wrong"], 4],
    ["nobody listening", ["status", "--url", "http://127.0.0.1:1", "--token", "x"], 5],
  ] as const)("%s", async (_, args, code) => {
    const output = await daemon.cli(...args);
    expect(output.code).toBe(code);
    expect(output.stdout).toBe("");
    expect(output.stderr).toStartWith("error: ");
    const structured = await daemon.cli(...args, "-o", "json");
    expect(structured.code).toBe(code);
    expect(JSON.parse(structured.stderr)).toMatchObject({ error: isText, code: isText });
  });

  test("a typing mistake is answered with the nearest name", async () => {
    expect((await daemon.cli("run", "shop.bok", "amount=1")).stderr).toContain("shop.book");
  });

  test("a parameter that fails its schema is refused before anything is stored", async () => {
    const before = await json<unknown[]>("execution", "list", "--limit", "100");
    expect((await daemon.cli("run", "shop.book", "amount=0")).stderr).toContain("amount");
    expect(await json<unknown[]>("execution", "list", "--limit", "100")).toEqual(before);
  });

  test("no daemon", async () => {
    await using project = makeProject();
    const output = await project.cli("status");
    expect(output.code).toBe(5);
    expect(output.stderr).toContain("attune daemon");
  });

  test("a closed pipe is a quiet success", async () => {
    const [program, ...args] = daemon.project.command(["action", "list", "-o", "json"]);
    const pipeline = `"$@" | head -c 1; echo "\${PIPESTATUS[0]}"`;
    const { dir, env } = daemon.project;
    const child = Bun.spawn(["bash", "-c", pipeline, "-", program, ...args], { cwd: dir, env, stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect(stdout).toBe("[0\n");
    expect(stderr).toBe("");
  });
});
