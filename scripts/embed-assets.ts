import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { BunPlugin } from "bun";
import { loadAssets, version } from "../src/assets.ts";
import { collectNotices } from "./notices.ts";
import { packPostgres } from "./postgres-archive.ts";
import { sdkTypes } from "./sdk-types.ts";

/** Puts a module that holds all assets in the place of `src/assets.ts`. */
export async function embedAssets(root: string, cacheDir: string): Promise<BunPlugin> {
  const contents = await generate(root, cacheDir);
  return {
    name: "embed-assets",
    setup(build) {
      build.onLoad({ filter: /\/src\/assets\.ts$/ }, () => ({ contents, loader: "js" }));
    },
  };
}

/** Exports what `src/assets.ts` does. Small files are text in the module; PostgreSQL's archives are files in the binary. */
async function generate(root: string, cacheDir: string): Promise<string> {
  const { migrations, corePack, pythonServer } = loadAssets();
  const postgres = await packPostgres(root, cacheDir);
  const files = corePack.map(({ path, content, mode }) => [path, Buffer.from(content).toString("base64"), mode]);
  const sdkPreload = { kind: "text", text: await bundleAlone(join(root, "src/sdk/preload.ts")) };
  const sdkTesting = { kind: "text", text: await bundleAlone(join(root, "src/sdk/testing/index.ts")) };
  const python = pythonServer.kind === "file" ? readFileSync(pythonServer.path, "utf8") : pythonServer.text;
  return `
import programs from ${JSON.stringify(postgres.programs)} with { type: "file" };
import cluster from ${JSON.stringify(postgres.cluster)} with { type: "file" };
export const version = ${JSON.stringify(version)};
const files = ${JSON.stringify(files)};
export const loadAssets = () => ({
  migrations: ${JSON.stringify(migrations)},
  corePack: files.map(([path, content, mode]) => ({ path, content: new Uint8Array(Buffer.from(content, "base64")), mode })),
  sdkPreload: ${JSON.stringify(sdkPreload)},
  sdkTesting: ${JSON.stringify(sdkTesting)},
  pythonServer: ${JSON.stringify({ kind: "text", text: python })},
  notices: ${JSON.stringify(collectNotices(root))},
});
export const sdkTypes = async () => ${JSON.stringify(sdkTypes(root))};
export const postgresFiles = () => ({ kind: "archive", programs, cluster, key: ${JSON.stringify(postgres.key)} });
`;
}

/**
 * Children run the module on its own, wherever it is unpacked: it takes all it imports with it, but for the contracts for
 * authors, which no action should have to read.
 */
async function bundleAlone(entry: string): Promise<string> {
  if (!existsSync(entry)) throw new Error(`${entry} is missing`);
  const beside: BunPlugin = {
    name: "beside",
    setup(build) {
      build.onResolve({ filter: /^\.\/testing\/index\.ts$/ }, () => ({ path: "./testing.js", external: true }));
    },
  };
  const { outputs } = await Bun.build({ entrypoints: [entry], target: "bun", minify: true, plugins: [beside] });
  return (await outputs[0]?.text()) ?? "";
}
