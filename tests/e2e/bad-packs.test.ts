import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { daemonIn, type TestDaemon } from "../support/daemon.ts";
import { makeProject } from "../support/project.ts";

setDefaultTimeout(60_000);

/** One mistake per pack, with the place and the word its report must hold. */
const mistakes: Readonly<Record<string, { readonly files: Record<string, string>; readonly at: RegExp; readonly says: string }>> =
  {
    no_version: { files: { "pack.yaml": "ref: no_version\n" }, at: /^pack\.yaml:1:1$/, says: "version" },
    manifest_syntax: { files: { "pack.yaml": "ref: manifest_syntax\nversion: [1.0.0\n" }, at: /^pack\.yaml:\d+:\d+$/, says: "" },
    yaml_syntax: {
      files: { "actions/a.yaml": 'ref: yaml_syntax.a\nlabel: "open\nentry_point: a.sh\n' },
      at: /^actions\/a\.yaml:2:8$/,
      says: "quote",
    },
    wrong_type: {
      files: { "actions/a.yaml": "ref: wrong_type.a\nentry_point: a.sh\ntimeout_seconds: soon\n", "actions/a.sh": "#!/bin/sh\n" },
      at: /^actions\/a\.yaml:3:18$/,
      says: "timeout_seconds",
    },
    missing_script: {
      files: { "actions/a.yaml": "ref: missing_script.a\nentry_point: gone.sh\n" },
      at: /^actions\/a\.yaml:2:14$/,
      says: "gone.sh",
    },
    outside: {
      files: { "actions/a.yaml": "ref: outside.a\nentry_point: ../../../secret.sh\n" },
      at: /^actions\/a\.yaml:2:14$/,
      says: "secret.sh",
    },
    linked: { files: { "actions/a.yaml": "ref: linked.a\nentry_point: link.sh\n" }, at: /^actions\/a\.yaml:2:14$/, says: "link" },
    duplicate: {
      files: {
        "actions/a.yaml": "ref: duplicate.a\nentry_point: a.sh\n",
        "actions/b.yaml": "ref: duplicate.a\nentry_point: a.sh\n",
        "actions/a.sh": "#!/bin/sh\n",
      },
      at: /^actions\/b\.yaml:1:6$/,
      says: "duplicate.a",
    },
    unknown_trigger: {
      files: { "rules/r.yaml": "ref: unknown_trigger.r\ntrigger_ref: core.intervaltimr\naction_ref: core.echo\n" },
      at: /^rules\/r\.yaml:2:14$/,
      says: "core.intervaltimer",
    },
    unknown_action: {
      files: { "rules/r.yaml": "ref: unknown_action.r\ntrigger_ref: core.intervaltimer\naction_ref: core.ekko\n" },
      at: /^rules\/r\.yaml:3:13$/,
      says: "core.e",
    },
    bad_condition: {
      files: {
        "rules/r.yaml": "ref: bad_condition.r\ntrigger_ref: core.intervaltimer\naction_ref: core.echo\nwhen: event.payload.x >\n",
      },
      at: /^rules\/r\.yaml:4:\d+$/,
      says: "",
    },
    sensor_trigger: {
      files: {
        "sensors/s.yaml": "ref: sensor_trigger.s\nentry_point: s.sh\ntrigger_types: [gone]\n",
        "sensors/s.sh": "#!/bin/sh\n",
      },
      at: /^sensors\/s\.yaml:3:\d+$/,
      says: "sensor_trigger.gone",
    },
    trigger_schema: {
      files: { "triggers/t.yaml": "ref: trigger_schema.t\noutput: { a: { type: nonsense } }\n" },
      at: /^triggers\/t\.yaml:2:\d+$/,
      says: "nonsense",
    },
    bomb: {
      files: {
        "actions/a.yaml": `a: &a [x,x,x,x,x,x,x,x,x]\n${"bcdefgh"
          .split("")
          .map((key, i) => `${key}: &${key} [${Array(9).fill(`*${"abcdefgh"[i]}`)}]`)
          .join("\n")}\n`,
      },
      at: /^actions\/a\.yaml/,
      says: "",
    },
    huge: { files: { "actions/a.yaml": `ref: huge.a\nlabel: ${"x".repeat(300_000)}\n` }, at: /^actions\/a\.yaml/, says: "" },
  };

interface Problem {
  readonly file: string;
  readonly line: number | null;
  readonly column: number | null;
  readonly message: string;
  readonly hint: string | null;
}

let daemon: TestDaemon;
beforeAll(async () => {
  const packs: Record<string, string> = { "good/pack.yaml": "ref: good\nversion: 1.0.0\n" };
  packs["good/actions/hi.yaml"] = "ref: good.hi\nentry_point: hi.sh\n";
  packs["good/actions/hi.sh"] = "#!/bin/sh\necho hi\n";
  for (const [ref, { files }] of Object.entries(mistakes)) {
    packs[`${ref}/pack.yaml`] = `ref: ${ref}\nversion: 1.0.0\n`;
    // What is right in a pack goes live beside what is wrong.
    packs[`${ref}/actions/fine.yaml`] = `ref: ${ref}.fine\nentry_point: fine.sh\n`;
    packs[`${ref}/actions/fine.sh`] = "#!/bin/sh\necho fine\n";
    for (const [path, text] of Object.entries(files)) packs[`${ref}/${path}`] = text;
  }
  const project = makeProject({ packs });
  mkdirSync(join(project.dir, "packs/no_pack_at_all"));
  symlinkSync("/bin/true", join(project.dir, "packs/linked/actions/link.sh"));
  daemon = daemonIn(project);
  daemon.launch();
  await daemon.ready();
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

test("what is right is served beside everything that is wrong", async () => {
  expect((await daemon.cli("run", "good.hi")).stdout).toBe("hi\n");
  const refs = (await daemon.get<{ ref: string }[]>("/packs?page_size=100")).map(({ ref }) => ref);
  expect(refs).toEqual(["core", "good", ...Object.keys(mistakes)].sort());
});

for (const [ref, { at, says }] of Object.entries(mistakes)) {
  test(`${ref}: named with its place`, async () => {
    const { errors } = (await daemon.cli("pack", "show", ref, "-o", "json")).json<{ errors: Problem[] }>();
    expect(errors).toHaveLength(1);
    const [error] = errors as [Problem];
    expect([error.file, error.line, error.column].filter((part) => part !== null).join(":")).toMatch(at);
    expect(`${error.message} ${error.hint}`).toContain(says);
    if (!ref.startsWith("no_version") && !ref.startsWith("manifest")) {
      expect((await daemon.cli("run", `${ref}.fine`)).stdout).toBe("fine\n");
    }
    const shown = await daemon.cli("pack", "validate", `packs/${ref}`);
    if (!ref.startsWith("unknown_trigger") && !ref.startsWith("unknown_action")) expect(shown.code).toBe(1);
  });
}
