import type { Imports, Wanted } from "./imports.ts";

const TRANSPILERS = {
  ts: new Bun.Transpiler({ loader: "ts" }),
  tsx: new Bun.Transpiler({ loader: "tsx" }),
  jsx: new Bun.Transpiler({ loader: "jsx" }),
};

/** `import(x)`, `require(x)` and their like with something else than one plain string. */
const COMPUTED = /\b(?:import|require|import\.meta\.resolve)\s*\((?!\s*(?:["'][^"'\n]*["']|`[^`$]*`)\s*[,)])/;
/** Files that are named by a URL or a path and loaded by something else: workers, WebAssembly, data. */
const BESIDE = /\b(?:new\s+URL|new\s+Worker|require\.resolve|import\.meta\.resolve)\s*\(\s*["'`](\.\.?\/[^"'`$\n]+)["'`]/g;

/**
 * What a JavaScript or TypeScript file imports: by a relative path, or by a name, which may stand in the pack's `lib/`. Packages
 * are not looked into. A file that does not parse counts as open.
 */
export function javascriptImports(text: string, ending: string): Imports {
  // The transpiler takes no line for the kernel.
  const source = text.replace(/^#![^\n]*/, "");
  const named: string[] = [...source.matchAll(BESIDE)].flatMap(([, path]) => path ?? []);
  try {
    named.push(
      ...transpilerFor(ending)
        .scanImports(source)
        .map(({ path }) => path),
    );
  } catch {
    // A mistake the author will hear of from the run; until then nothing is known of what it loads.
    return { wanted: named.flatMap(wantedFor), open: true };
  }
  // `#name` is mapped by package.json, and a path from the root is somewhere else on each machine.
  const isMapped = named.some((path) => /^(?:#|\/|file:)/.test(path));
  return { wanted: named.flatMap(wantedFor), open: isMapped || COMPUTED.test(source) };
}

function wantedFor(path: string): Wanted[] {
  const plain = path.replace(/[?#].*$/, "");
  if (/^\.\.?(?:\/|$)/.test(plain)) return [{ from: "file", kind: "script", path: plain }];
  // NODE_PATH leads there.
  return /^[\w@]/.test(plain) && !plain.includes(":") ? [{ from: "pack", kind: "script", path: `lib/${plain}` }] : [];
}

function transpilerFor(ending: string): Bun.Transpiler {
  if (ending === ".tsx") return TRANSPILERS.tsx;
  return /^\.[mc]?ts$/.test(ending) ? TRANSPILERS.ts : TRANSPILERS.jsx;
}
