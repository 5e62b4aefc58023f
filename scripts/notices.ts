import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** The licences of what a binary contains: Bun and PostgreSQL from `notices.txt`, then every package attune depends on. */
export function collectNotices(root: string): string {
  const packages = [...dependencies(root)].sort(([a], [b]) => (a < b ? -1 : 1));
  const texts = packages.map(([name, dir]) => {
    const { version, license } = readManifest(dir);
    return `== ${name} ${version} (${license ?? "see its text"}) ==\n\n${licenceText(dir)}`;
  });
  return [readFileSync(join(import.meta.dir, "notices.txt"), "utf8"), ...texts].join("\n\n");
}

/** Directory by name of all packages that the production dependencies reach. */
function dependencies(root: string): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (dir: string) => {
    for (const name of Object.keys(readManifest(dir).dependencies ?? {})) {
      const place = [join(dir, "node_modules", name), join(root, "node_modules", name)].find((path) => existsSync(path));
      if (!place || found.has(name)) continue;
      found.set(name, place);
      visit(place);
    }
  };
  visit(root);
  return found;
}

function readManifest(dir: string): Manifest {
  return JSON.parse(readFileSync(join(dir, "package.json"), "utf8")) as Manifest;
}

function licenceText(dir: string): string {
  const file = readdirSync(dir).find((name) => /^licen[cs]e/i.test(name));
  return file === undefined ? "The package brings no licence text.\n" : readFileSync(join(dir, file), "utf8");
}
