import { existsSync } from "node:fs";
import { join } from "node:path";

/** The interpreter the shell runtime takes. */
export const shell = existsSync("/bin/bash") ? "/bin/bash" : "/bin/sh";

/** What nothing can be faster than: the script, started right away with its parameters, its output read and nothing recorded. */
export async function runBare(script: string, parameters: Readonly<Record<string, string>>): Promise<void> {
  const env: Record<string, string> = { PATH: process.env["PATH"] ?? "" };
  for (const [name, value] of Object.entries(parameters)) env[`ATTUNE_ACTION_${name.toUpperCase()}`] = value;
  const child = Bun.spawn([shell, script], {
    cwd: join(script, ".."),
    env,
    stdin: Buffer.from(`${JSON.stringify(parameters)}\n`),
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  await Promise.all([new Response(child.stdout).bytes(), new Response(child.stderr).bytes(), child.exited]);
}

/** Each line of a sensor's output that is an event, as it comes. */
export async function* payloads(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): AsyncGenerator<Record<string, unknown>> {
  const child = Bun.spawn([...argv], { env: { PATH: process.env["PATH"] ?? "", ...env }, stdout: "pipe", stderr: "inherit" });
  try {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line).payload;
    }
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}
