import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Assets } from "../../src/assets.ts";
import { unpackBuiltin } from "../../src/core/builtin.ts";
import { tempDir } from "../support/packs.ts";

const assets = (text: string): Assets => ({
  migrations: [],
  corePack: [
    { path: "pack.yaml", content: Buffer.from(text), mode: 0o644 },
    { path: "actions/echo.sh", content: Buffer.from("#!/bin/sh\n"), mode: 0o755 },
  ],
  sdkPreload: { kind: "text", text: "preload();" },
  sdkTesting: { kind: "text", text: "test();" },
  pythonServer: { kind: "text", text: "serve()" },
  notices: "",
});

test("unpacks read-only and once, and an upgrade lies beside what still runs", async () => {
  using dir = tempDir("builtin");
  const one = await unpackBuiltin(assets("one"), dir.path);
  expect(readFileSync(join(one.corePack, "pack.yaml"), "utf8")).toBe("one");
  expect((statSync(join(one.corePack, "pack.yaml")).mode & 0o777).toString(8)).toBe("444");
  expect((statSync(join(one.corePack, "actions/echo.sh")).mode & 0o777).toString(8)).toBe("555");
  expect(readFileSync(one.preload, "utf8")).toBe("preload();");
  expect(readFileSync(join(one.preload, "../testing.js"), "utf8")).toBe("test();");
  expect(readFileSync(one.pythonServer, "utf8")).toBe("serve()");

  const unpacked = statSync(one.corePack).ino;
  expect(await unpackBuiltin(assets("one"), dir.path)).toEqual(one);
  expect(statSync(one.corePack).ino).toBe(unpacked);

  const two = await unpackBuiltin(assets("two"), dir.path);
  expect(readFileSync(join(two.corePack, "pack.yaml"), "utf8")).toBe("two");
  expect(readFileSync(join(one.corePack, "pack.yaml"), "utf8")).toBe("one");
});

test("what an interrupted unpacking left behind is replaced", async () => {
  using dir = tempDir("builtin");
  const { corePack } = await unpackBuiltin(assets("one"), join(dir.path, "probe"));
  const name = corePack.split("/").at(-2) ?? "";
  const staged = join(dir.path, "builtin", `${name}.new`, "core");
  mkdirSync(staged, { recursive: true });
  writeFileSync(join(staged, "half"), "");
  const again = await unpackBuiltin(assets("one"), dir.path);
  expect(readdirSync(again.corePack).sort()).toEqual(["actions", "pack.yaml"]);
});
