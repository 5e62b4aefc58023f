import path from "node:path";
import { execa } from "execa";
import type { RuntimePlugin } from "../../core/plugin.ts";

export const python: RuntimePlugin = {
  kind: "runtime",
  name: "python",
  api: 1,
  description: "Python 3",
  aliases: ["python3"],
  extensions: [".py"],
  /** Version managers put a slow script named python3 on the PATH: ask it once for the program behind it. */
  async probe({ signal }) {
    const script = "import sys, platform; print(sys.executable); print(platform.python_version())";
    const { stdout } = await execa("python3", ["-c", script], { timeout: 10_000, cancelSignal: signal });
    const [executable, version] = stdout.split("\n");
    if (!executable || !version) throw new Error("python3 does not say where it is");
    return { path: executable, version };
  },
  launch: ({ entrypoint, interpreter, pack }) => ({
    argv: [interpreter.path ?? "python3", "-u", entrypoint],
    // The pack's files are a read-only copy: compiled modules have no place beside them.
    env: { PYTHONPATH: path.join(pack.dir, "lib"), PYTHONDONTWRITEBYTECODE: "1" },
  }),
};
