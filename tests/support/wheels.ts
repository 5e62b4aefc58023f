import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes `<name>-<version>-py3-none-any.whl` with one module, whose text is `body`, into `dir`. */
export function writeWheel(dir: string, name: string, version: string, body: string): void {
  const info = `${name}-${version}.dist-info`;
  const files = {
    [`${name}.py`]: body,
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
    [`${info}/WHEEL`]: "Wheel-Version: 1.0\nGenerator: attune\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
  };
  const record = [...Object.keys(files), `${info}/RECORD`].map((file) => `${file},,\n`).join("");
  const script = [
    "import json, sys, zipfile",
    "with zipfile.ZipFile(sys.argv[1], 'w') as wheel:",
    "    for name, text in json.load(sys.stdin).items(): wheel.writestr(name, text)",
  ].join("\n");
  run(
    ["python3", "-c", script, join(dir, `${name}-${version}-py3-none-any.whl`)],
    JSON.stringify({ ...files, [`${info}/RECORD`]: record }),
  );
}

/** An npm package of one module as `npm pack` makes it; gives the archive's content. */
export function npmArchive(dir: string, name: string, version: string, body: string): Buffer {
  mkdirSync(join(dir, "package"), { recursive: true });
  const scripts = { postinstall: `touch ${join(dir, "postinstall-ran")}` };
  writeFileSync(join(dir, "package/package.json"), JSON.stringify({ name, version, main: "index.js", scripts }));
  writeFileSync(join(dir, "package/index.js"), body);
  return run(["tar", "-cz", "-C", dir, "package"]);
}

function run(argv: string[], stdin = ""): Buffer {
  const { stdout, stderr, exitCode } = Bun.spawnSync(argv, { stdin: Buffer.from(stdin), stdout: "pipe", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${argv[0]}: ${stderr}`);
  return stdout;
}
