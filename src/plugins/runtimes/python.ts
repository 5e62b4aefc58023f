import path from "node:path";
import type { Launch, RuntimePlugin } from "../../core/plugin.ts";
import { pythonEnvironment, pythonOf } from "./python-environment.ts";
import { findPythons } from "./python-probe.ts";

/** `server` is the file of the fork server; without it every script is started cold. */
export const python = (server?: string): RuntimePlugin => ({
  kind: "runtime",
  name: "python",
  api: 1,
  description: "Python 3",
  aliases: ["python3"],
  extensions: [".py"],
  probe: ({ signal }) => findPythons(signal),
  environment: pythonEnvironment,
  launch({ entrypoint, interpreter, pack, environment }) {
    const program = environment ? pythonOf(environment) : (interpreter.path ?? "python3");
    // The pack's files are a read-only copy: compiled modules have no place beside them.
    const fixed = { PYTHONDONTWRITEBYTECODE: "1" };
    const launch: Launch = { argv: [program, "-u", entrypoint], env: { ...fixed, PYTHONPATH: path.join(pack.dir, "lib") } };
    if (!server || !path.isAbsolute(program) || !canFork(interpreter.version)) return launch;
    // The packs share a server: it puts the directories of PYTHONPATH in their places itself.
    return { ...launch, warm: { argv: [program, "-u", server], env: { ...fixed, PYTHONPATH: "" } } };
  },
});

/** From Python 3.8 on. */
function canFork(version = ""): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 3 || (major === 3 && minor >= 8);
}
