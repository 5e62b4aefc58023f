import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startServers } from "../support/backends.ts";
import { daemonIn, startDaemon } from "../support/daemon.ts";
import { makeProject } from "../support/project.ts";

setDefaultTimeout(60_000);

/** Files that would change or take over a program that reads its working directory. */
function hostileFiles(marker: string): Record<string, string> {
  const mark = (name: string) => `require("node:fs").appendFileSync(${JSON.stringify(marker)}, "${name}\\n");\n`;
  return {
    ".env":
      "ATTUNE_LOG_FORMAT=nonsense\nDATABASE_URL=postgres://127.0.0.1:1/none\nHOSTILE=from-dotenv\nATTUNE_DATA_DIR=/proc/nowhere\n",
    ".env.local": "NATS_URL=nats://127.0.0.1:1\n",
    ".env.production": "NATS_URL=nats://127.0.0.1:1\n",
    "bunfig.toml": 'preload = ["./preload.ts"]\n[run]\npreload = ["./preload.ts"]\n[install]\nauto = "force"\n',
    "preload.ts": mark("preload"),
    "package.json": JSON.stringify({
      name: "attune",
      type: "commonjs",
      main: "./hostile.js",
      scripts: { preinstall: "touch installed", daemon: "touch ran" },
      imports: { "#x": "./hostile.js" },
      dependencies: { "left-pad": "*" },
    }),
    "hostile.js": mark("hostile"),
    "tsconfig.json": JSON.stringify({
      compilerOptions: { paths: { attune: ["./hostile.js"], pg: ["./hostile.js"], "node:*": ["./hostile.js"] }, baseUrl: "." },
    }),
    "node_modules/attune/package.json": JSON.stringify({ name: "attune", main: "index.js" }),
    "node_modules/attune/index.js": mark("node_modules/attune"),
    "node_modules/pg/package.json": JSON.stringify({ name: "pg", main: "index.js" }),
    "node_modules/pg/index.js": mark("node_modules/pg"),
  };
}

test("nothing that lies in the working directory is run or obeyed", async () => {
  const project = makeProject({
    packs: {
      "look/pack.yaml": "ref: look\nversion: 1.0.0\n",
      "look/actions/around.yaml": "ref: look.around\nentry_point: around.ts\noutput_format: json\n",
      "look/actions/around.ts": "console.log(JSON.stringify({ env: process.env }));\n",
    },
    config: 'import { defineConfig } from "attune";\nexport default defineConfig({});\n',
  });
  await using daemon = daemonIn(project);
  const marker = join(project.scratch, "marker");
  for (const dir of [project.dir, join(project.dir, "packs/look"), join(project.dir, "packs/look/actions")]) {
    for (const [path, text] of Object.entries(hostileFiles(marker))) {
      mkdirSync(join(dir, path, ".."), { recursive: true });
      writeFileSync(join(dir, path), text);
    }
  }
  daemon.launch();
  await daemon.ready();
  expect((await daemon.cli("status")).code).toBe(0);
  const output = await daemon.cli("run", "look.around", "-o", "json");
  const { result } = output.json<{ result: { data: { env: Record<string, string> } } }>();
  expect(result.data.env["HOSTILE"]).toBeUndefined();
  expect(result.data.env["BUN_BE_BUN"]).toBeUndefined();
  expect((await daemon.cli("pack", "show", "look", "-o", "json")).json()).toMatchObject({ errors: [] });
  expect(await daemon.stop()).toBe(0);
  expect(existsSync(marker) ? readFileSync(marker, "utf8") : "").toBe("");
  for (const name of ["installed", "ran"]) expect(existsSync(join(project.dir, name))).toBe(false);
});

test("a config file gets the factories and has effect", async () => {
  await using servers = await startServers();
  const database = await servers.postgres.createDatabase();
  await using daemon = await startDaemon({
    config: `import { defineConfig, nats, postgres } from "attune";
import { limit } from "./settings/limit.ts";

export default defineConfig({
  storage: postgres({ url: ${JSON.stringify(database)}, max: 5 }),
  transport: nats({ url: ${JSON.stringify(servers.nats.url)} }),
  packs: { directory: ["first", "second"], auto_load: ["one", "two"], slow: {}, config: { two: { max_action_timeout: limit } } },
  environment: { pass: ["PASSED_ON"] },
});
`,
    env: { PASSED_ON: "yes", HELD_BACK: "no" },
    files: {
      "settings/limit.ts": "export const limit: number = 1;\n",
      "first/one/pack.yaml": "ref: one\nversion: 1.0.0\n",
      "first/one/actions/env.yaml": "ref: one.env\nentry_point: env.sh\n",
      "first/one/actions/env.sh": '#!/bin/sh\necho "$PASSED_ON/$HELD_BACK"\n',
      "second/two/pack.yaml": "ref: two\nversion: 1.0.0\n",
      "second/two/actions/long.yaml": "ref: two.long\nentry_point: long.sh\ntimeout_seconds: 60\n",
      "second/two/actions/long.sh": "#!/bin/sh\nexec sleep 30\n",
      "second/three/pack.yaml": "ref: three\nversion: 1.0.0\n",
    },
  });
  const status = await daemon.get<{ storage: { description: string }; transport: { description: string } }>("/status");
  expect(status.storage.description).toContain(new URL(database).host);
  expect(status.transport.description).toContain("NATS");
  expect((await daemon.get<{ ref: string }[]>("/packs")).map(({ ref }) => ref)).toEqual(["core", "one", "two"]);
  expect((await daemon.cli("run", "one.env")).stdout).toBe("yes/\n");
  const long = (await daemon.cli("run", "two.long", "-o", "json")).json<object>();
  expect(long).toMatchObject({ status: "timeout", error: expect.stringContaining("1 second") });
});
