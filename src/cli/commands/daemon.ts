import { toError } from "../../core/errors.ts";
import type { Register } from "../groups.ts";

export const daemonCommand: Register = (command, context, setExitCode) => {
  command.action(async () => {
    const { io, options } = context();
    const { startDaemon } = await import("../../core/daemon.ts");
    const daemon = await startDaemon({
      ...(options.config !== undefined && { config: options.config }),
      cwd: io.cwd,
      env: io.env,
      uncaught: io.uncaught,
    });
    const stop = Promise.withResolvers<never>();
    const onSignal = () => {
      daemon.stop(String(io.signal.reason)).catch((thrown) => stop.reject(toError(thrown)));
    };
    io.signal.addEventListener("abort", onSignal, { once: true });
    // It came while the daemon was starting.
    if (io.signal.aborted) onSignal();
    setExitCode(await Promise.race([daemon.done, stop.promise]));
  });
};
