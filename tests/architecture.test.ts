import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { repository } from "./support/script.ts";

const sources = readdirSync(join(repository, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => /\.tsx?$/.test(file))
  .sort()
  .map((file) => ({ file: `src/${file}`, text: readFileSync(join(repository, "src", file), "utf8") }));

/** What a source file imports at run time, relative to the repository. Types are free to point anywhere. */
function valueImports(file: string, text: string): string[] {
  const transpiler = new Bun.Transpiler({ loader: file.endsWith("x") ? "tsx" : "ts" });
  return transpiler
    .scanImports(text)
    .map(({ path }) => path)
    .filter((path) => path.startsWith("."))
    .map((path) => normalize(join(dirname(file), path)));
}

/**
 * Where a file stands: imports go from a higher layer to a lower one, or stay within one folder. What puts the engine
 * together stands above the middle folders of src/core; all other files there stand below them.
 */
const composition = /^src\/core\/(engine|testing)\//;
const middle = /^src\/core\/(packs|events|executions|processes|environments|install|plugins)\//;
const foundation = ["plugin", "errors"].map((name) => `src/core/${name}.ts`);

function layerOf(file: string): number {
  if (file === "src/main.ts") return 7;
  if (file.startsWith("src/cli/") || file === "src/core/daemon.ts") return 6;
  if (composition.test(file)) return 5;
  if (file.startsWith("src/api/") || file.startsWith("src/web/")) return 4;
  // What a plugin promises is tried with real processes; the module for scripts brings that along.
  if (file.startsWith("src/sdk/testing/") || file === "src/sdk/preload.ts") return 4;
  if (middle.test(file)) return 3;
  if (foundation.includes(file)) return 1;
  return 2;
}
const folderOf = (file: string) => /^src\/(?:core\/)?[^/]+(?=\/)/.exec(file)?.[0] ?? "src";

describe("imports", () => {
  const edges = sources.flatMap(({ file, text }) => valueImports(file, text).map((target) => ({ file, target })));

  test("are there to be looked at", () => {
    expect(edges.length).toBeGreaterThan(300);
    expect(edges).toContainEqual({ file: "src/core/hooks.ts", target: "src/core/errors.ts" });
  });

  test("go one way: from main over the cli and the daemon, the api and the middle folders down to the contract", () => {
    const wrong = edges.filter(({ file, target }) => layerOf(target) > layerOf(file));
    expect(wrong).toEqual([]);
  });

  test("never go from one of the middle folders of the core to another", () => {
    const wrong = edges.filter(
      ({ file, target }) => middle.test(file) && middle.test(target) && folderOf(file) !== folderOf(target),
    );
    expect(wrong).toEqual([]);
  });

  test("of the contract and the errors lead nowhere", () => {
    expect(edges.filter(({ file }) => foundation.includes(file))).toEqual([]);
  });

  test("of a plugin lead to the contract, the errors, small helpers of the core and its own folder only", () => {
    const allowed = /^src\/core\/(plugin|errors|libc|lock|batches|json|ids|manifest-files|self)\.ts$|^src\/assets\.ts$/;
    const wrong = edges.filter(
      ({ file, target }) => file.startsWith("src/plugins/") && !target.startsWith("src/plugins/") && !allowed.test(target),
    );
    expect(wrong).toEqual([]);
  });

  test("of the cli lead to the engine only through the api, and to the daemon only where it is started", () => {
    const wrong = edges.filter(
      ({ file, target }) =>
        file.startsWith("src/cli/") &&
        /^src\/core\/(daemon|engine|executions|processes)/.test(target) &&
        file !== "src/cli/commands/daemon.ts",
    );
    expect(wrong).toEqual([]);
  });
});

test("no source file has more than 300 lines", () => {
  const long = sources.map(({ file, text }) => ({ file, lines: text.split("\n").length - 1 })).filter(({ lines }) => lines > 300);
  expect(long).toEqual([]);
});

test("only main.ts ends the process or listens to signals", () => {
  const found = sources.filter(
    ({ file, text }) => file !== "src/main.ts" && /process\.(exit\(|on\(|once\(|addListener\()/.test(withoutComments(text)),
  );
  // Scripts of packs run on these, in processes of their own.
  expect(found.map(({ file }) => file).filter((file) => !file.startsWith("src/sdk/"))).toEqual([]);
});

test("scripts are started in one place, and programs asked for their version in another", () => {
  const found = sources.filter(({ text }) => /Bun\.spawn\(|execa\(/.test(withoutComments(text))).map(({ file }) => file);
  expect(found.filter((file) => !file.startsWith("src/plugins/"))).toEqual([
    "src/core/processes/child.ts",
    "src/core/runtimes/ask-program.ts",
  ]);
});

test("docs/operations.md explains every error code, and no other", () => {
  const union =
    /export type ErrorCode =([^;]+);/.exec(sources.find(({ file }) => file === "src/core/errors.ts")?.text ?? "")?.[1] ?? "";
  const codes = [...union.matchAll(/"([A-Z_]+)"/g)].map((match) => match[1]).sort();
  expect(codes.length).toBeGreaterThan(20);
  const page = readFileSync(join(repository, "docs/operations.md"), "utf8");
  const table = page.split("\n\n").find((paragraph) => paragraph.includes("| `CONFIG_INVALID` ")) ?? "";
  const explained = [...table.matchAll(/^\| `([A-Z_]+)` *\| *\S.*\| *\S.*\|$/gm)].map((match) => match[1]).sort();
  expect(explained).toEqual(codes);
});

test("migrations are numbered from 1 without gaps", () => {
  const files = readdirSync(join(repository, "migrations")).sort();
  expect(files.map((file) => Number(/^(\d{4})_[a-z0-9_]+\.sql$/.exec(file)?.[1]))).toEqual(files.map((_, i) => i + 1));
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
}
