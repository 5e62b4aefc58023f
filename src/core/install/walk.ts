import { lstatSync, readdirSync, type Stats } from "node:fs";
import path from "node:path";

export interface Found {
  /** Relative, with slashes. */
  readonly name: string;
  readonly stat: Stats;
}

/** What lies below a directory, in a stable order, directories before what is in them; links are not followed. */
export function* walk(root: string, isPart: (name: string) => boolean): Generator<Found> {
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of readdirSync(path.join(root, folder)).sort()) {
      if (!isPart(name)) continue;
      const relative = folder === "" ? name : `${folder}/${name}`;
      const stat = lstatSync(path.join(root, relative));
      yield { name: relative, stat };
      if (stat.isDirectory()) folders.push(relative);
    }
  }
}
