import { lstatSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import path from "node:path";

/** A directory of packs, or a pack's directory in one, that is a link. */
export interface Linked {
  /** The link. */
  readonly dir: string;
  /** Real path of what it leads to now. */
  readonly target: string;
  /** Links on the way there, which may be switched too. */
  readonly through: readonly string[];
}

/** Links that are followed one after the other; they may lead round in circles. */
const longestChain = 40;

/** The links among `directories` and the entries of each. One that leads nowhere is left out. */
export function findLinks(directories: readonly string[]): Linked[] {
  return directories.flatMap((root) => [root, ...entriesOf(root)]).flatMap(follow);
}

/** Paths of what is in a directory; none when it can't be listed. */
export function entriesOf(dir: string): string[] {
  try {
    return readdirSync(dir).map((name) => path.join(dir, name));
  } catch {
    return []; // Not there, or not there yet.
  }
}

function follow(dir: string): Linked[] {
  try {
    if (!lstatSync(dir).isSymbolicLink()) return [];
    const [, ...through] = linksOnTheWay(dir);
    return [{ dir, target: realpathSync(dir), through }];
  } catch {
    return []; // It leads nowhere now; when that changes, the link does or the periodic look finds it.
  }
}

/** The link itself, and every link its text or theirs goes through. */
function linksOnTheWay(link: string): string[] {
  const found: string[] = [];
  const rest = [path.basename(link)];
  let at = realpathSync(path.dirname(link));
  for (let name = rest.shift(); name !== undefined && found.length < longestChain; name = rest.shift()) {
    const next = path.join(at, name);
    if (lstatSync(next).isSymbolicLink()) {
      const text = readlinkSync(next);
      found.push(next);
      rest.unshift(...text.split(path.sep).filter((part) => part !== ""));
      if (path.isAbsolute(text)) at = path.parse(text).root;
    } else {
      at = next;
    }
  }
  return found;
}
