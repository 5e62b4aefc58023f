import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Fetched, fetchSource } from "../../src/core/install/fetch.ts";
import { isLeftover } from "../../src/core/packs/leftovers.ts";
import { type Crafted, type CraftedZip, tarGzipOf, tarOf, zipOf } from "../support/archives.ts";
import { tempDir, writePack } from "../support/packs.ts";

const manifest = { name: "pack.yaml", text: "ref: a\nversion: 1.0.0\n" };
const work = {
  signal: new AbortController().signal,
  progress: () => {},
  env: {},
  isPart: (name: string) => !isLeftover(name),
};

/** Unpacks an archive, or copies a directory, into a stage of its own, and looks that nothing came to lie beside it. */
async function unpack(source: Buffer | string, dir: string): Promise<Fetched & { readonly names: string[] }> {
  const file = typeof source === "string" ? source : join(dir, "archive");
  if (typeof source !== "string") writeFileSync(file, source);
  const stage = join(dir, "a/b/stage");
  mkdirSync(stage, { recursive: true });
  try {
    const fetched = await fetchSource({ kind: "path", path: file }, null, stage, work);
    return { ...fetched, names: readdirSync(fetched.dir, { recursive: true, encoding: "utf8" }).sort() };
  } finally {
    expect(readdirSync(join(dir, "a"))).toEqual(["b"]);
    expect(readdirSync(join(dir, "a/b"))).toEqual(["stage"]);
    expect(["files", "archive"]).toEqual(expect.arrayContaining(readdirSync(stage)));
  }
}

async function refusal(source: Buffer | string, dir: string): Promise<string> {
  const thrown = await unpack(source, dir).then(
    () => null,
    (error: unknown) => error,
  );
  expect(thrown).toMatchObject({ name: "AttuneError", code: "SOURCE_REFUSED" });
  return (thrown as Error).message;
}

const zeros = Buffer.alloc(3 * 1024 * 1024);
const many = Array.from({ length: 10_001 }, (_, i) => ({ name: `f${i}`, text: "" }));

/** Names that are refused in every kind of archive. */
const names: [what: string, name: string, message: RegExp][] = [
  ["a path upwards", "../x", /out of the pack/],
  ["a path upwards in the middle", "lib/../../x", /out of the pack/],
  ["an absolute path", "/tmp/x", /absolute/],
  ["a drive", "C:/x", /absolute/],
  ["a backslash", "..\\x", /backslash/],
  ["a line break", "a\nb", /can't be shown/],
  ["an escape sequence", "a\u001b[2Jb", /can't be shown/],
  ["text that is turned round", "a\u202eb", /can't be shown/],
  ["an empty part", "lib//x", /empty part/],
  ["a dot", "lib/./x", /empty part/],
  ["a very long name", `${"n".repeat(256)}`, /longer than 255/],
  ["a very long path", Array.from({ length: 300 }, () => "long").join("/"), /longer than 1024/],
];

describe("a tar archive", () => {
  test("is unpacked with directories and executable files, and nothing else of its modes", async () => {
    using dir = tempDir("install");
    const archive = await tarGzipOf([
      { name: "./", type: "directory" },
      { name: "./pack.yaml", text: manifest.text, mode: 0o600 },
      { name: "actions/", type: "directory", mode: 0o7777 },
      { name: "actions/run.sh", text: "#!/bin/sh\n", mode: 0o6755 },
      { name: "lib/deep/a.txt", text: "a" },
    ]);
    const { dir: root, ...unpacked } = await unpack(archive, dir.path);
    expect(unpacked).toMatchObject({
      names: ["actions", "actions/run.sh", "lib", "lib/deep", "lib/deep/a.txt", "pack.yaml"],
      files: 3,
      commit: null,
      sha256: new Bun.CryptoHasher("sha256").update(archive).digest("hex"),
    });
    const mode = (name: string) => statSync(join(root, name)).mode & 0o7777;
    expect([mode("actions/run.sh") & 0o7100, mode("pack.yaml") & 0o7111, mode("actions") & 0o7000]).toEqual([0o100, 0, 0]);
    expect(readFileSync(join(root, "pack.yaml"), "utf8")).toBe(manifest.text);
  });

  test("may have all in one directory, and long names in extended headers", async () => {
    using dir = tempDir("install");
    const long = `release-1.0/lib/${"d".repeat(120)}/${"n".repeat(150)}.txt`;
    const unpacked = await unpack(
      await tarGzipOf([
        { ...manifest, name: "release-1.0/pack.yaml" },
        { name: long, text: "x" },
      ]),
      dir.path,
    );
    expect(unpacked.dir.endsWith("/release-1.0")).toBe(true);
    expect(unpacked.names).toContain(long.replace("release-1.0/", ""));
  });

  test("leaves out what is no part of a pack, a forged note of where it came from above all", async () => {
    using dir = tempDir("install");
    const others = [".git/config", ".git/hooks/post-checkout", "lib/.DS_Store", ".attune-install.json"];
    const unpacked = await unpack(await tarGzipOf([manifest, ...others.map((name) => ({ name, text: "x" }))]), dir.path);
    expect(unpacked.names).toEqual(["pack.yaml"]);
  });

  const wrong: [what: string, entries: Crafted[], message: RegExp][] = [
    ...names.map(([what, name, message]): [string, Crafted[], RegExp] => [what, [manifest, { name, text: "x" }], message]),
    ["a directory upwards", [manifest, { name: "../d/", type: "directory" }], /out of the pack/],
    ["a path upwards in an extended header", [manifest, { name: "x", text: "x", pax: { path: "../x" } }], /out of the pack/],
    ["NUL", [manifest, { name: "x", text: "x", pax: { path: "a\0b" } }], /can't be shown/],
    ["a symbolic link", [manifest, { name: "l", type: "symlink", linkname: "pack.yaml" }], /is a symlink/],
    [
      "a file through a link",
      [manifest, { name: "l", type: "symlink", linkname: "/tmp" }, { name: "l/x", text: "x" }],
      /is a symlink/,
    ],
    ["a hard link", [manifest, { name: "l", type: "link", linkname: "/etc/passwd" }], /is a link/],
    ["a device", [manifest, { name: "d", type: "character-device", devmajor: 1, devminor: 5 }], /is a character-device/],
    ["a named pipe", [manifest, { name: "p", type: "fifo" }], /is a fifo/],
    ["a file twice", [manifest, { ...manifest, text: "ref: b\n" }], /twice/],
    ["names that differ by case", [manifest, { name: "PACK.yaml", text: "x" }], /one name on some/],
    [
      "directories that differ by case",
      [manifest, { name: "lib/a", text: "x" }, { name: "Lib/b", text: "x" }],
      /one name on some/,
    ],
    [
      "names that differ by normalisation",
      [
        { name: "\u00e9", text: "" },
        { name: "e\u0301", text: "" },
      ],
      /one name on some/,
    ],
    ["a file that is a directory too", [manifest, { name: "lib", text: "x" }, { name: "lib/x", text: "x" }], /both a file and/],
    ["too many files", [manifest, ...many], /more than 10000/],
    ["a bomb", [manifest, { name: "zeros", content: zeros }], /more than 100 times/],
    ["a bomb in what is left out", [manifest, { name: ".git/zeros", content: zeros }], /more than 100 times/],
    ["no pack.yaml", [{ name: "readme", text: "x" }], /no pack.yaml/],
    ["pack.yaml two levels down", [{ ...manifest, name: "a/b/pack.yaml" }], /no pack.yaml/],
    ["nothing", [], /no pack.yaml/],
  ];
  test.each(wrong)("is refused with %s", async (_, entries, message) => {
    using dir = tempDir("install");
    expect(await refusal(await tarGzipOf(entries), dir.path)).toMatch(message);
  });

  test("is refused when its end is missing, wherever it is cut off", async () => {
    const whole = await tarGzipOf([manifest, { name: "noise", content: crypto.getRandomValues(new Uint8Array(20_000)) }]);
    for (const part of [0.1, 0.5, 0.9, 0.9999]) {
      using dir = tempDir("install");
      expect(await refusal(whole.subarray(0, Math.floor(whole.length * part)), dir.path)).toMatch(/damaged/);
    }
  });

  test("is refused when it was cut off before it was compressed", async () => {
    const whole = await tarOf([manifest, { name: "b", text: "b".repeat(5_000) }]);
    using dir = tempDir("install");
    expect(await refusal(gzipSync(whole.subarray(0, 3_000)), dir.path)).toMatch(/damaged/);
  });

  test("is refused when it is endless between the files", async () => {
    using dir = tempDir("install");
    const padding = Buffer.alloc(20 * 1024 * 1024);
    expect(await refusal(gzipSync(Buffer.concat([await tarOf([manifest]), padding])), dir.path)).toMatch(/more than 100 times/);
  });

  test("is refused when a size is stated that no pack has", async () => {
    using dir = tempDir("install");
    const archive = await tarOf([manifest, { name: "big", text: "", pax: { size: String(300 * 1024 * 1024) } }]);
    expect(await refusal(gzipSync(archive), dir.path)).toMatch(/more than/);
  });
});

describe("a zip archive", () => {
  test("is unpacked like a tar archive", async () => {
    using dir = tempDir("install");
    const { names: found, dir: root } = await unpack(
      zipOf([
        manifest,
        { name: "actions/", mode: 0o040755, method: 0 },
        { name: "actions/run.sh", text: "#!/bin/sh\n", mode: 0o106755 },
        { name: "stored.txt", text: "as it is", method: 0 },
      ]),
      dir.path,
    );
    expect(found).toEqual(["actions", "actions/run.sh", "pack.yaml", "stored.txt"]);
    expect(statSync(join(root, "actions/run.sh")).mode & 0o7100).toBe(0o100);
    expect(readFileSync(join(root, "stored.txt"), "utf8")).toBe("as it is");
  });

  const wrong: [what: string, entries: CraftedZip[], message: RegExp][] = [
    // The reader itself refuses some of them, in its own words.
    ...names.map(([what, name]): [string, CraftedZip[], RegExp] => [what, [manifest, { name, text: "x" }], /./]),
    ["NUL", [manifest, { name: "a\0b", text: "x" }], /can't be shown/],
    ["a symbolic link", [manifest, { name: "l", text: "/etc/passwd", mode: 0o120777 }], /link or a special file/],
    ["a device", [manifest, { name: "d", mode: 0o020666 }], /link or a special file/],
    ["a directory that is a link", [manifest, { name: "d/", text: "/tmp", mode: 0o120777 }], /link or a special file/],
    ["a file twice", [manifest, manifest], /twice/],
    ["names that differ by case", [manifest, { name: "PACK.YAML", text: "x" }], /one name on some/],
    ["too many files", [manifest, ...many], /more than 10000/],
    ["a bomb", [manifest, { name: "zeros", content: zeros }], /more than 100 times/],
    ["a bomb that says it is small", [manifest, { name: "zeros", content: zeros, size: 10 }], /damaged/],
    ["a size that is too large", [manifest, { name: "x", text: "x", size: 20 }], /damaged/],
    ["a wrong checksum", [manifest, { name: "x", text: "x", crc: 1 }], /wrong checksum/],
    ["an encrypted file", [manifest, { name: "x", text: "x", flags: 0x801 }], /encrypted/],
    ["an unknown compression", [manifest, { name: "x", text: "x", method: 14 }], /unknown way/],
  ];
  test.each(wrong)("is refused with %s", async (_, entries, message) => {
    using dir = tempDir("install");
    expect(await refusal(zipOf(entries), dir.path)).toMatch(message);
  });

  test("is refused when its end is missing", async () => {
    using dir = tempDir("install");
    const whole = zipOf([manifest, { name: "a", text: "a".repeat(1_000) }]);
    expect(await refusal(whole.subarray(0, whole.length - 30), dir.path)).toMatch(/damaged/);
  });
});

describe("a directory", () => {
  test("is copied without installed packages and without what is no part of a pack", async () => {
    using dir = tempDir("install");
    const source = writePack(join(dir.path, "mine"), {
      "pack.yaml": manifest.text,
      "actions/run.sh": "#!/bin/sh\n",
      "node_modules/x/index.js": "",
      ".git/config": "",
      "lib/__pycache__/x.pyc": "",
    });
    expect((await unpack(source, dir.path)).names).toEqual(["actions", "actions/run.sh", "lib", "pack.yaml"]);
  });

  test("is refused with a link in it", async () => {
    using dir = tempDir("install");
    const source = writePack(join(dir.path, "mine"), { "pack.yaml": manifest.text });
    symlinkSync("/etc/passwd", join(source, "secret"));
    expect(await refusal(source, dir.path)).toMatch(/"secret" is a link/);
  });

  test("is refused when it is too large", async () => {
    using dir = tempDir("install");
    const source = writePack(join(dir.path, "mine"), { "pack.yaml": manifest.text, big: "" });
    truncateSync(join(source, "big"), 300 * 1024 * 1024);
    expect(await refusal(source, dir.path)).toMatch(/more than 256 MiB/);
  });

  test("is refused when the packs lie in it", async () => {
    using dir = tempDir("install");
    writePack(dir.path, { "pack.yaml": manifest.text });
    expect(await refusal(dir.path, dir.path)).toMatch(/holds the directory to install into/);
  });
});

test.each([Buffer.from("<html>not found</html>"), Buffer.from("PK"), Buffer.alloc(0)])("%p is no archive", async (content) => {
  using dir = tempDir("install");
  expect(await refusal(content, dir.path)).toMatch(/neither a .tar.gz nor a .zip|damaged/);
});

test("an archive of another digest is refused before it is unpacked", async () => {
  using dir = tempDir("install");
  const file = join(dir.path, "a.tgz");
  writeFileSync(file, await tarGzipOf([manifest]));
  const fetching = fetchSource({ kind: "path", path: file }, "0".repeat(64), dir.path, work);
  await expect(fetching).rejects.toMatchObject({ code: "SOURCE_REFUSED", message: expect.stringContaining("SHA-256") });
  expect(existsSync(join(dir.path, "files/pack.yaml"))).toBe(false);
});
