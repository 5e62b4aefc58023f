import { rmSync, statSync } from "node:fs";
import { bundleModule, storeBundle } from "../modules.ts";
import type { GoodVersion } from "./good.ts";
import { mistakeAt, mistakeOf, type PluginMistake } from "./places.ts";
import type { Source } from "./sources.ts";
import { type PluginFacts, type TrialOptions, tryPlugin } from "./trial.ts";

/** What the files of a plugin come to. */
export type Verdict =
  /** The same as what is in force, or as what was judged before. */
  | { readonly kind: "known"; readonly hash: string }
  | { readonly kind: "good"; readonly version: GoodVersion }
  | { readonly kind: "bad"; readonly mistake: PluginMistake; readonly hash: string | null };

export interface Judged {
  readonly verdict: Verdict;
  /** Every file that was read, also of a version that does not build. */
  readonly inputs: ReadonlySet<string>;
}

/**
 * Builds a plugin and tries it in a process of its own. `known`: hashes that need no second look; `trusted`: the
 * version that worked when the daemon last ran, which is not tried again; `trying` is called with the files it is made of
 * when its trial begins.
 */
export async function judge(
  source: Source,
  options: {
    dir: string;
    trial: TrialOptions;
    known: ReadonlySet<string>;
    trusted: GoodVersion | null;
    trying: (inputs: ReadonlySet<string>) => void;
  },
): Promise<Judged> {
  const { file } = source;
  const inputs = new Set<string>();
  if (source.missing !== null) {
    const mistake = mistakeAt(source.missing, { file }, `npm install ${source.name}, or take it out of plugins.use`);
    return { verdict: { kind: "bad", mistake, hash: null }, inputs };
  }
  try {
    const bundle = await bundleModule(file, "PLUGIN_INVALID", inputs);
    if (options.known.has(bundle.hash)) return { verdict: { kind: "known", hash: bundle.hash }, inputs };
    const stored = await storeBundle(file, bundle, options.dir);
    const made = (facts: PluginFacts): GoodVersion => ({ hash: bundle.hash, bundle: stored, inputs: [...inputs], facts });
    if (options.trusted?.hash === bundle.hash) {
      return { verdict: { kind: "good", version: made(options.trusted.facts) }, inputs };
    }
    options.trying(inputs);
    const tried = await tryPlugin(options.trial, { file, bundle: stored, inputs });
    if ("facts" in tried) return { verdict: { kind: "good", version: made(tried.facts) }, inputs };
    rmSync(stored, { force: true });
    return { verdict: { kind: "bad", mistake: tried.mistake, hash: bundle.hash }, inputs };
  } catch (thrown) {
    return { verdict: { kind: "bad", mistake: mistakeOf(thrown, file, inputs), hash: null }, inputs };
  }
}

/** How files lie on disk: what tells one state of them from another, and when they last changed, in epoch milliseconds. */
export function stampOf(files: Iterable<string>): { readonly stamp: string; readonly changed: number } {
  const parts: string[] = [];
  let changed = 0;
  for (const file of files) {
    const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
    parts.push(stat ? `${file} ${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}` : `${file} -`);
    if (stat) changed = Math.max(changed, Number(stat.ctimeNs / 1_000_000n));
  }
  return { stamp: parts.join("\n"), changed };
}
