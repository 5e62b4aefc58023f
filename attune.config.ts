import { defineConfig } from "attune";

// What `npm start` runs: the core pack from the repository, and the example packs.
export default defineConfig({
  packs: { directory: ["packs", "packs/examples"] },
});
