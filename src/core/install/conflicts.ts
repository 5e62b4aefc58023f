import { existsSync } from "node:fs";
import path from "node:path";
import { AttuneError } from "../errors.ts";
import type { Problem } from "../plugin.ts";
import type { Manifest } from "./install.ts";

/** `there` is where a pack with that ref lies, `target` where it would be put. */
export function refuseTaken({ ref }: Manifest, there: string | undefined, target: string, force: boolean): void {
  if (there === undefined && existsSync(target)) {
    throw new AttuneError("CONFLICT", `${target} exists and is not the pack ${ref}`, { hint: "move it out of the way" });
  }
  if (there !== undefined && !force) {
    throw new AttuneError("CONFLICT", `there is a pack ${ref} in ${there} already`, {
      hint: `attune pack update ${ref} fetches a newer version; --force replaces what is there`,
    });
  }
  if (ref === "core" && !force)
    throw new AttuneError("CONFLICT", "a pack core replaces the built-in one", { hint: "--force installs it nevertheless" });
}

export function elsewhere(ref: string, dir: string): AttuneError {
  return new AttuneError("CONFLICT", `the pack ${ref} lies in ${dir}, in another directory of packs`, {
    hint: `name that one with --dir ${path.dirname(dir)}, or remove the pack first`,
  });
}

export function requirePromised({ ref, version }: Manifest, name: string, promised: string): void {
  if (ref === name && version.replace(/^v/, "") === promised.replace(/^v/, "")) return;
  throw new AttuneError("SOURCE_REFUSED", `the index promises ${name} ${promised}, and the pack is ${ref} ${version}`, {
    hint: "tell whoever keeps the index",
  });
}

export function edited(ref: string, dir: string, command: string): AttuneError {
  return new AttuneError("CONFLICT", `${ref} in ${dir} was edited since it was installed`, {
    hint: `attune pack ${command} ${ref} --force gives up the edits`,
  });
}

export function invalid({ ref, version }: Manifest, mistakes: readonly Problem[]): AttuneError {
  const lines = mistakes.slice(0, 10).map(({ file, line, column, message, hint }) => {
    const at = [file, line, column].filter((part) => part !== null).join(":");
    return `  ${at}: ${message}${hint ? ` (${hint})` : ""}`;
  });
  const more = mistakes.length > lines.length ? [`  and ${mistakes.length - lines.length} more`] : [];
  return new AttuneError("PACK_INVALID", [`${ref} ${version} has mistakes and is not installed:`, ...lines, ...more].join("\n"), {
    hint: "tell the pack's author, or mend a copy and install that",
  });
}
