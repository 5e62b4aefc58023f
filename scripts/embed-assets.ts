import { existsSync } from "node:fs";
import { join } from "node:path";
import type { BunPlugin } from "bun";
import { loadAssets, version } from "../src/assets.ts";
import { collectNotices } from "./notices.ts";
import { packPostgres } from "./postgres-archive.ts";

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
  const { migrations, corePack } = loadAssets();
  const postgres = await packPostgres(root, cacheDir);
  const files = corePack.map(({ path, content, mode }) => [path, Buffer.from(content).toString("base64"), mode]);
  const sdkPreload = { kind: "text", text: await bundlePreload(join(root, "src/sdk/preload.ts")) };
  return `
import programs from ${JSON.stringify(postgres.programs)} with { type: "file" };
import cluster from ${JSON.stringify(postgres.cluster)} with { type: "file" };
export const version = ${JSON.stringify(version)};
const files = ${JSON.stringify(files)};
export const loadAssets = () => ({
  migrations: ${JSON.stringify(migrations)},
  corePack: files.map(([path, content, mode]) => ({ path, content: new Uint8Array(Buffer.from(content, "base64")), mode })),
  sdkPreload: ${JSON.stringify(sdkPreload)},
  notices: ${JSON.stringify(collectNotices(root))},
});
export const postgresFiles = () => ({ kind: "archive", programs, cluster, key: ${JSON.stringify(postgres.key)} });
`;
}

/** Children run the module on its own, wherever it is unpacked: it takes all it imports with it. */
async function bundlePreload(entry: string): Promise<string> {
  if (!existsSync(entry)) throw new Error(`${entry} is missing`);
  const { outputs } = await Bun.build({ entrypoints: [entry], target: "bun", minify: true });
  return (await outputs[0]?.text()) ?? "";
}
