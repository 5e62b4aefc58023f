import { provideSdk } from "../core/modules.ts";
import { trialArgument } from "../core/plugins/trial.ts";
import { checkArgument } from "../core/testing/plugin-contract.ts";
import { unpackArgument } from "../plugins/storage/postgres/archive.ts";
import * as host from "../sdk/host.ts";

type Job = (argv: readonly string[], signal: AbortSignal) => Promise<void>;

/**
 * What attune starts itself for, by a first argument that is no command for people: what is kept out of the daemon, since it
 * runs code of plugins or leaves much memory behind.
 */
const jobs: Readonly<Record<string, Job>> = {
  async [trialArgument]([bundle = "", mark = ""]) {
    const { tryInThisProcess } = await import("../core/plugins/trial-child.ts");
    await tryInThisProcess(bundle, mark);
  },
  async [checkArgument]([bundle = "", mark = "", caseLimit, script], signal) {
    const { checkInThisProcess } = await import("../core/testing/plugin-check-child.ts");
    await checkInThisProcess({ bundle, mark, caseLimit: Number(caseLimit), script }, signal);
  },
  async [unpackArgument]([archive = "", target = ""]) {
    const { extractInThisProcess } = await import("../plugins/storage/postgres/archive.ts");
    await extractInThisProcess(archive, target);
  },
};

/** Does the job that a command line names, until `signal` is aborted. Plugins see the same `attune` as in the daemon. */
export async function runJob([name = "", ...argv]: readonly string[], signal: AbortSignal): Promise<void> {
  provideSdk(host, () => import("../sdk/testing/index.ts"));
  await jobs[name]?.(argv, signal);
}
