import path from "node:path";
import { fileURLToPath } from "node:url";
import semver from "semver";
import { AttuneError } from "../errors.ts";
import { isPackRef } from "../paths.ts";
import { refused } from "./refusal.ts";

/** Where a pack comes from. */
export type Source =
  /** A directory or an archive; absolute. */
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "download"; readonly url: string }
  | GitSource
  | { readonly kind: "index"; readonly name: string; readonly range: string };
export interface GitSource {
  readonly kind: "git";
  readonly url: string;
  readonly protocol: "https" | "ssh" | "file";
  /** Branch, tag or commit; null: what the repository has as its HEAD. */
  readonly ref: string | null;
}

const archiveName = /\.(?:tar\.gz|tgz|zip)$/i;
const gitRef = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/;

/**
 * Reads a source as it stands on the command line or in an index. `ref` names the git ref apart from the address. Relative paths
 * are below `cwd`. Throws USAGE for what is no source, SOURCE_REFUSED for one that could make another program do something else.
 */
export function parseSource(text: string, { cwd, ref }: { cwd: string; ref?: string | undefined }): Source {
  if (/\p{Cc}/u.test(text)) throw refused("the source has control characters");
  const source = parse(text, cwd, ref);
  if (ref !== undefined && source.kind !== "git")
    throw new AttuneError("USAGE", "--ref is for git repositories", {
      hint: "write the version of an index after the name: name@^1.2",
    });
  return source;
}

function parse(text: string, cwd: string, ref: string | undefined): Source {
  if (/^[\w.+-]+::/.test(text)) throw refused(`${JSON.stringify(text)} names a helper program of git`);
  if (/^git\+|^ssh:|^git:/i.test(text) || (/^(?:https|file):/i.test(text) && /\.git\/?(?:#.*)?$/i.test(text)))
    return parseGit(text, ref);
  if (/^https?:/i.test(text)) return { kind: "download", url: webAddress(text) };
  if (/^file:/i.test(text)) {
    if (text.includes("#")) {
      throw new AttuneError("USAGE", `${JSON.stringify(text)} names a branch or tag of what is read as a directory or archive`, {
        hint: `write git+${text} for a git repository`,
      });
    }
    return { kind: "path", path: fileURLToPath(text) };
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    throw refused(`${JSON.stringify(text)} can't be fetched`, "packs come by https, http, git+https, git+ssh or from a file");
  }
  if (/^[\w.-]+@[\w.-]+:/.test(text)) {
    const [host, where] = text.split(/:(.*)/s);
    throw new AttuneError("USAGE", `${JSON.stringify(text)} is no address`, { hint: `write git+ssh://${host}/${where}` });
  }
  const named = /^([a-z][a-z0-9_-]*)(?:@(.+))?$/.exec(text);
  if (named && !archiveName.test(text)) return fromIndex(named[1] ?? "", named[2] ?? "*");
  return { kind: "path", path: path.resolve(cwd, text) };
}

function fromIndex(name: string, range: string): Source {
  if (!isPackRef(name)) throw new AttuneError("USAGE", `${name} can't be the name of a pack`);
  const wanted = range === "latest" ? "*" : range;
  if (semver.validRange(wanted) === null)
    throw new AttuneError("USAGE", `${JSON.stringify(range)} is no version and no range of versions`, {
      hint: "such as 1.2.0 or ^1.2",
    });
  return { kind: "index", name, range: wanted };
}

function parseGit(text: string, given: string | undefined): GitSource {
  const url = URL.parse(text.replace(/^git\+/i, ""));
  const protocol = (["https", "ssh", "file"] as const).find((known) => url?.protocol === `${known}:`);
  if (!url || !protocol) {
    throw refused(
      `${JSON.stringify(text)} is no address of a repository`,
      "write https://, git+ssh:// or file://, with .git at its end",
    );
  }
  // A host or a user that looks like an option would be one to ssh.
  if (protocol !== "file" && !/^[a-z0-9[][\w.:[\]-]*$/i.test(url.hostname))
    throw refused(`${JSON.stringify(text)} has no proper host`);
  if (url.password !== "" || (protocol === "https" && url.username !== "")) throw withPassword();
  if (!/^(?:[\w][\w.-]*)?$/.test(url.username)) throw refused(`${JSON.stringify(text)} has no proper user`);
  const ref = given ?? (decodeURIComponent(url.hash.slice(1)) || null);
  if (ref !== null && (!gitRef.test(ref) || ref.includes("..") || ref.includes("//"))) {
    throw refused(`${JSON.stringify(ref)} can't be a branch, tag or commit`);
  }
  url.hash = "";
  return { kind: "git", url: url.href, protocol, ref };
}

/** An http or https address without secrets in it. Throws SOURCE_REFUSED for any other. */
export function webAddress(text: string, base?: string): string {
  const url = URL.parse(text, base);
  if (!url || !/^https?:$/.test(url.protocol)) throw refused(`${JSON.stringify(text)} is neither an http nor an https address`);
  if (url.username !== "" || url.password !== "") throw withPassword();
  url.hash = "";
  return url.href;
}

function withPassword(): AttuneError {
  return refused(
    "the address has a password in it, which would be stored",
    "git over https reads ~/.netrc; git+ssh uses your keys",
  );
}

/** The source as text that {@link parseSource} reads. */
export function sourceText(source: Source): string {
  if (source.kind === "path") return source.path;
  if (source.kind === "download") return source.url;
  if (source.kind === "index") return source.range === "*" ? source.name : `${source.name}@${source.range}`;
  return `git+${source.url}${source.ref === null ? "" : `#${source.ref}`}`;
}
