import { describe, expect, test } from "bun:test";
import { choose, type PackIndex, parseIndex } from "../../src/core/install/index-file.ts";
import { parseSource, sourceText } from "../../src/core/install/source.ts";
import { thrownBy } from "../support/thrown.ts";

const cwd = "/srv/project";
const read = (text: string, ref?: string) => parseSource(text, { cwd, ref });
const git = (protocol: string, url: string, ref: string | null = null) => ({ kind: "git", protocol, url, ref });

describe("a source", () => {
  test.each([
    ["./mine", { kind: "path", path: "/srv/project/mine" }],
    ["../mine.tar.gz", { kind: "path", path: "/srv/mine.tar.gz" }],
    ["mine.zip", { kind: "path", path: "/srv/project/mine.zip" }],
    ["/opt/mine", { kind: "path", path: "/opt/mine" }],
    ["file:///opt/my%20packs/mine", { kind: "path", path: "/opt/my packs/mine" }],
    ["https://example.org/mine.tar.gz", { kind: "download", url: "https://example.org/mine.tar.gz" }],
    ["http://127.0.0.1:8000/mine.zip#x", { kind: "download", url: "http://127.0.0.1:8000/mine.zip" }],
    ["https://example.org/mine.git", git("https", "https://example.org/mine.git")],
    ["https://example.org/mine.git#v1.2.0", git("https", "https://example.org/mine.git", "v1.2.0")],
    ["git+https://example.org/mine#release/1.x", git("https", "https://example.org/mine", "release/1.x")],
    ["git+ssh://git@example.org/mine.git", git("ssh", "ssh://git@example.org/mine.git")],
    ["ssh://git@example.org:2222/mine", git("ssh", "ssh://git@example.org:2222/mine")],
    ["file:///srv/mine.git#main", git("file", "file:///srv/mine.git", "main")],
    ["mine", { kind: "index", name: "mine", range: "*" }],
    ["mine@latest", { kind: "index", name: "mine", range: "*" }],
    ["mine@^1.2", { kind: "index", name: "mine", range: "^1.2" }],
    ["mine@>=1 <3", { kind: "index", name: "mine", range: ">=1 <3" }],
  ])("%s", (text, source) => {
    expect(read(text)).toEqual(source as ReturnType<typeof read>);
    expect(read(sourceText(read(text)))).toEqual(read(text));
  });

  test("has its git ref by the option rather than by the address", () => {
    expect(read("https://example.org/mine.git#v1", "v2")).toMatchObject({ ref: "v2" });
    expect(thrownBy(() => read("./mine", "v2"))).toMatchObject({ code: "USAGE" });
  });

  test.each([
    "ext::sh -c touch% /tmp/x",
    "fd::17",
    "git+ext::sh",
    "git+ssh://-oProxyCommand=touch/mine.git",
    "ssh://-oProxyCommand=touch@example.org/mine.git",
    "ssh://example.org%20-oProxyCommand=x/mine.git",
    "git+http://example.org/mine.git",
    "git://example.org/mine.git",
    "ftp://example.org/mine.tgz",
    "gopher://example.org/mine.git",
    "https://user:secret@example.org/mine.git",
    "https://token@example.org/mine.git",
    "https://user:secret@example.org/mine.tgz",
    "ssh://git:secret@example.org/mine.git",
    "https://example.org/mine.git#--upload-pack=touch",
    "https://example.org/mine.git#-u",
    "https://example.org/mine.git#a..b",
    "https://example.org/mine.git#main:refs/heads/x",
    "https://example.org/mine.git#+main",
    "https://example.org/mine.git#main%0a-x",
    "./mine\n",
  ])("%p is refused", (text) => {
    expect(thrownBy(() => read(text))).toMatchObject({ code: "SOURCE_REFUSED" });
  });

  test.each(["--upload-pack=touch /tmp/x", "-oProxyCommand=x"])("the ref %p is refused", (ref) => {
    expect(thrownBy(() => read("https://example.org/mine.git", ref))).toMatchObject({ code: "SOURCE_REFUSED" });
  });

  test("that looks like an option is a path and nothing else", () => {
    expect(read("--upload-pack=x")).toEqual({ kind: "path", path: "/srv/project/--upload-pack=x" });
  });

  test("that is a path is not given a git ref, which would go unheard", () => {
    expect(thrownBy(() => read("file:///srv/mine#v1"))).toMatchObject({
      code: "USAGE",
      hint: "write git+file:///srv/mine#v1 for a git repository",
    });
  });

  test("in the short form of ssh is answered with the long one", () => {
    expect(thrownBy(() => read("git@example.org:me/mine.git"))).toMatchObject({
      code: "USAGE",
      hint: "write git+ssh://git@example.org/me/mine.git",
    });
  });
});

const sha256 = "a".repeat(64);
const index = (versions: unknown, location = "https://example.org/packs/index.json"): PackIndex =>
  parseIndex(JSON.stringify({ packs: [{ name: "mine", description: "Mine", tags: ["x"], versions }] }), location);

describe("an index", () => {
  test("names archives relative to itself, git repositories, and lists the newest first", () => {
    const { packs } = index([
      { version: "1.9.0", source: "mine-1.9.0.tgz", sha256: sha256.toUpperCase() },
      { version: "1.10.0", source: "https://example.org/mine.git#v1.10.0" },
    ]);
    expect(packs).toEqual([
      {
        name: "mine",
        description: "Mine",
        tags: ["x"],
        versions: [
          { version: "1.10.0", source: read("https://example.org/mine.git#v1.10.0"), sha256: null },
          { version: "1.9.0", source: { kind: "download", url: "https://example.org/packs/mine-1.9.0.tgz" }, sha256 },
        ],
      },
    ] as typeof packs);
    const local = index([{ version: "1.0.0", source: "mine.tgz", sha256 }], "/srv/index/index.json");
    expect(local.packs[0]?.versions[0]?.source).toEqual({ kind: "path", path: "/srv/index/mine.tgz" });
  });

  test.each([
    ["no list", "{}", "packs must be a list"],
    ["no JSON", "{", "no JSON"],
    ["null", "null", "packs must be a list"],
    ["a name that is none", '{"packs": [{"name": "../x", "versions": []}]}', "packs[0].name"],
    ["no name", '{"packs": [{"versions": []}]}', "packs[0].name"],
    [
      "versions that are none",
      '{"packs": [{"name": "a", "versions": [{"version": "one", "source": "a.tgz"}]}]}',
      "versions[0].version",
    ],
    ["no source", '{"packs": [{"name": "a", "versions": [{"version": "1.0.0"}]}]}', "versions[0].source"],
  ])("with %s is refused by its place", (_, text, message) => {
    expect(thrownBy(() => parseIndex(text, "/i.json"))).toMatchObject({
      code: "SOURCE_REFUSED",
      message: expect.stringContaining(message),
    });
  });

  test.each([
    ["an archive without a digest", { source: "mine.tgz" }, "sha256"],
    ["a digest that is none", { source: "mine.tgz", sha256: "abc" }, "sha256"],
    ["a file of this machine", { source: "file:///etc/mine.tgz", sha256 }, "source"],
    ["a repository of this machine", { source: "file:///etc/mine.git" }, "source"],
    ["a helper of git", { source: "ext::sh" }, "helper"],
    ["another scheme", { source: "data:,x", sha256 }, "http"],
  ])("on the web can't name %s", (_, entry, message) => {
    expect(thrownBy(() => index([{ version: "1.0.0", ...entry }]))).toMatchObject({
      code: "SOURCE_REFUSED",
      message: expect.stringContaining(message),
    });
  });

  test("gives the newest version in a range, and a prerelease only when it is asked for", () => {
    const versions = ["1.0.0", "1.4.2", "2.0.0-rc.1"].map((version) => ({ version, source: `${version}.tgz`, sha256 }));
    const chosen = (range: string) => choose([index(versions)], "mine", range).chosen.version;
    expect([chosen("*"), chosen("~1.0"), chosen("2.0.0-rc.1")]).toEqual(["1.4.2", "1.0.0", "2.0.0-rc.1"]);
    expect(thrownBy(() => chosen("^3"))).toMatchObject({ code: "NOT_FOUND", hint: "it has 2.0.0-rc.1, 1.4.2, 1.0.0" });
    expect(thrownBy(() => choose([index(versions)], "mien", "*"))).toMatchObject({
      code: "NOT_FOUND",
      hint: "did you mean mine?",
    });
  });

  test("that comes first decides, also when it has fewer versions", () => {
    const [first, second] = ["1.0.0", "2.0.0"].map((version) => index([{ version, source: "m.tgz", sha256 }]));
    expect(choose([first!, second!], "mine", "*").chosen.version).toBe("1.0.0");
  });
});
