import type { Register } from "../groups.ts";
import { version } from "../version.ts";

export const versionCommand: Register = (command, context) => {
  command.action(() => context().done({ version, bun: Bun.version }, `attune ${version}`));
};
