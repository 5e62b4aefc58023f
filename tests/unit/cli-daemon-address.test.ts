import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { findDaemon } from "../../src/cli/find-daemon.ts";
import { startTestApi, type TestApi, token } from "../support/api.ts";
import { terminal } from "../support/terminal.ts";

let root: string;
let inner: string;
beforeAll(() => {
  root = mkdtempSync(path.join(tmpdir(), "attune-cli-"));
  inner = path.join(root, "packs", "hello");
  mkdirSync(inner, { recursive: true });
  writeDaemon(path.join(root, ".attune"), { url: "http://127.0.0.1:9001", pid: 1, version: "x" }, "project-token\n");
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function writeDaemon(dir: string, daemon: object, secret: string): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(path.join(dir, "daemon.json"), JSON.stringify(daemon));
  writeFileSync(path.join(dir, "token"), secret);
}
const find = (options: object = {}, env: Record<string, string> = {}, cwd = inner) => findDaemon({ options, env, cwd });

describe("the daemon's address", () => {
  test("is found upwards from the working directory", () => {
    expect(find()).toEqual({ url: "http://127.0.0.1:9001", token: "project-token", pid: 1 });
  });
  test("comes from the data directory or the config's when these are named", () => {
    const elsewhere = mkdtempSync(path.join(tmpdir(), "attune-cli-"));
    writeDaemon(path.join(elsewhere, ".attune"), { url: "http://127.0.0.1:9002", pid: 2 }, "other");
    expect(find({}, { ATTUNE_DATA_DIR: path.join(elsewhere, ".attune") }).url).toBe("http://127.0.0.1:9002");
    expect(find({ config: path.join(elsewhere, "attune.config.ts") }).url).toBe("http://127.0.0.1:9002");
    rmSync(elsewhere, { recursive: true });
  });
  test("can be given, and the options win", () => {
    const env = { ATTUNE_API_URL: "http://env:1/", ATTUNE_API_TOKEN: "env-token" };
    expect(find({}, env)).toEqual({ url: "http://env:1", token: "env-token", pid: null });
    expect(find({ url: "https://flag/x/", token: "flag" }, env)).toEqual({ url: "https://flag/x", token: "flag", pid: null });
    expect(() => find({ url: "ftp://x" })).toThrow("is not the address of a daemon");
  });
  test("that is given gets no token from the disk, unless it is the one there", () => {
    expect(find({ url: "http://evil.example" }).token).toBeNull();
    expect(find({ url: "http://127.0.0.1:9001/" }).token).toBe("project-token");
  });
});

describe("exit codes", () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi();
  });
  afterAll(() => api[Symbol.asyncDispose]());
  const attune = (env: Record<string, string>, ...argv: string[]) => terminal({ env, cwd: root }).run(argv);

  test("5 without a daemon, 4 without the right token, 3 for what is not there, 2 for a wrong line", async () => {
    const empty = mkdtempSync(path.join(tmpdir(), "attune-cli-"));
    expect(await terminal({ env: { ATTUNE_DATA_DIR: path.join(empty, ".attune") }, cwd: empty }).run(["status"])).toEqual({
      code: 5,
      out: "",
      err: `error: no daemon is running for ${empty}\nhint: start one with attune daemon, or name one with --url and --token\n`,
    });
    rmSync(empty, { recursive: true });
    expect((await attune({ ATTUNE_API_URL: "http://127.0.0.1:1" }, "status")).code).toBe(5);
    expect((await attune({ ATTUNE_API_URL: api.url }, "status")).code).toBe(4);
    expect((await attune({ ATTUNE_API_URL: api.url, ATTUNE_API_TOKEN: "wrong" }, "rule", "list")).err).toContain(
      "error: the token is not valid",
    );
    const known = { ATTUNE_API_URL: api.url, ATTUNE_API_TOKEN: token };
    expect((await attune(known, "action", "show", "demo.nope")).code).toBe(3);
    for (const argv of [
      ["nope"],
      ["rule"],
      ["rule", "nope"],
      ["rule", "show"],
      ["rule", "list", "--nope"],
      ["status", "-o", "xml"],
      ["execution", "list", "--limit", "0"],
    ]) {
      expect([argv, (await attune(known, ...argv)).code]).toEqual([argv, 2]);
    }
    for (const argv of [[], ["--help"], ["help", "rule"], ["rule", "create", "--help"], ["--version"], ["version"]]) {
      expect([argv, (await attune({}, ...argv)).code]).toEqual([argv, 0]);
    }
  });

  test("of a daemon that is gone: its pid decides the hint", async () => {
    const dead = Bun.spawn(["true"]);
    await dead.exited;
    const dir = path.join(root, "dead");
    writeDaemon(path.join(dir, ".attune"), { url: "http://127.0.0.1:1", pid: dead.pid }, "t");
    const { code, err } = await terminal({ cwd: dir }).run(["status"]);
    expect([code, err]).toEqual([
      5,
      `error: the daemon (pid ${dead.pid}) is not running any more\nhint: start it with attune daemon\n`,
    ]);
  });

  test("errors are JSON when JSON was asked for, before the line is even understood", async () => {
    for (const argv of [
      ["rule", "list", "--nope", "-o", "json"],
      ["-j", "nope"],
      ["status", "--output=json", "--url", "http://127.0.0.1:1"],
    ]) {
      const { out, err } = await attune({}, ...argv);
      expect(out).toBe("");
      expect(Object.keys(JSON.parse(err))).toEqual(["error", "code", "hint"]);
    }
  });

  test("a server that is no daemon is named as such", async () => {
    await using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("<html>", { status: 502 }) });
    const { code, err } = await attune({ ATTUNE_API_URL: `http://127.0.0.1:${server.port}` }, "status");
    expect(code).toBe(5);
    expect(err).toContain("answered 502 and is not an attune daemon");
  });
});
