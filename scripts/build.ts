import { statSync } from "node:fs";
import { join } from "node:path";
import { buildBinary } from "./binary.ts";

const root = join(import.meta.dir, "..");
const outfile = join(root, "dist/attune");
const started = performance.now();
await buildBinary(join(root, "src/main.ts"), outfile);
const megabytes = statSync(outfile).size / 1e6;
console.log(`dist/attune: ${megabytes.toFixed(1)} MB in ${((performance.now() - started) / 1000).toFixed(1)} s`);
