import { definePlugin } from "attune";

// Variables that every action and sensor gets, whatever pack it is of.
const everywhere = { REGION: "eu-west" };
// Variables of some packs only.
const ofPack: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  web: { HTTPS_PROXY: "http://proxy.example:3128" },
};

export default definePlugin({
  kind: "hooks",
  name: "launch_env",
  api: 1,
  hooks: {
    // What the runtime itself sets comes last: it knows what it needs.
    "process:launch": (launch, target) => ({
      ...launch,
      env: { ...everywhere, ...ofPack[target.pack.ref], ...launch.env },
    }),
  },
});
