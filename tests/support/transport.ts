import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../src/core/log.ts";
import type { EventMessage, Logger, Transport, TransportPlugin } from "../../src/core/plugin.ts";
import { createScope } from "../../src/core/scope.ts";
import { until } from "./until.ts";

export { recorder, sampleEvent as makeEvent } from "../../src/sdk/testing/events.ts";

interface Opened extends AsyncDisposable {
  readonly transport: Transport;
  readonly dataDir: string;
}

/** Opens a transport as the daemon does. Disposing ends its scope and, unless `dataDir` was given, removes its directory. */
export async function openTransport(plugin: TransportPlugin, given: { log?: Logger; dataDir?: string } = {}): Promise<Opened> {
  const { log = silentLogger } = given;
  const dataDir = given.dataDir ?? (await mkdtemp(join(tmpdir(), "attune-transport-")));
  const scope = createScope(plugin.name, log);
  const dispose = async () => {
    await scope.end();
    if (given.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const transport = await plugin.open({ scope, log, dataDir, projectDir: dataDir });
    return { transport, dataDir, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** What a publisher does with a transport that can't take an event now. */
export async function publishUntilAccepted(transport: Transport, event: EventMessage): Promise<void> {
  await until(`${event.id} accepted`, async () => {
    await transport.publish(event);
    return true;
  });
}

/** A logger that keeps what was logged at info and above. */
export function recordingLogger(): Logger & { lines: string[] } {
  const lines: string[] = [];
  const note = (message: string, fields: object = {}) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger = { lines, debug: () => {}, info: note, warn: note, error: note, child: () => logger };
  return logger;
}
