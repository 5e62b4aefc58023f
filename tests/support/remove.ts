import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";

/** Removes what is at `path`, if anything, in spite of its modes: copies of packs are read-only, which stops all but root. */
export function removeAll(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EACCES") throw thrown;
    execFileSync("chmod", ["-R", "u+rwX", path]);
    rmSync(path, { recursive: true, force: true });
  }
}
