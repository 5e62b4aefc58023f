import type { Transport } from "../../core/plugin.ts";
import { type Case, makeCase, type Trial } from "./case.ts";
import { publishUntilAccepted, recorder, sampleEvent, watched } from "./events.ts";
import { temporaryDirectory, withOpened } from "./opened.ts";
import type { OpenTransport } from "./transport.ts";

const hint =
  "publish may resolve only when the event is stored where it outlives the daemon, or was handled; otherwise wait, or reject";

/** An accepted event outlives the one that accepted it. */
export function durabilityCases(open: OpenTransport): readonly Case[] {
  return [
    makeCase(
      { name: "an event accepted while nobody subscribes is there when the transport is opened again", member: "publish", hint },
      async (trial) => {
        const event = sampleEvent();
        await reopened(trial, open, event.id, (transport) => isAccepted(transport.publish(event)));
      },
    ),

    makeCase(
      { name: "an event accepted before it was handled is there when the transport is opened again", member: "publish", hint },
      async (trial) => {
        const event = sampleEvent();
        await reopened(trial, open, event.id, async (transport) => {
          const begun = Promise.withResolvers<void>();
          const gate = Promise.withResolvers<void>();
          const subscription = await transport.subscribe(async () => {
            begun.resolve();
            await gate.promise;
            throw new Error("the daemon ends before it has handled this");
          });
          let accepted = false;
          const publishing = isAccepted(transport.publish(event)).then((value) => {
            accepted = value;
          });
          await trial.settled("the handler to be called", Promise.race([begun.promise, publishing]));
          gate.resolve();
          await subscription[Symbol.asyncDispose]();
          await new Promise(setImmediate);
          return accepted;
        });
      },
    ),
  ];
}

/**
 * Opens the transport, lets `publish` say whether it took the event, ends it, and opens it again: an event that was taken
 * has to be handled now, also before anything else is published.
 */
async function reopened(
  trial: Trial,
  open: OpenTransport,
  id: string,
  publish: (transport: Transport) => Promise<boolean>,
): Promise<void> {
  await using directory = await temporaryDirectory();
  let accepted = false;
  const first = async (transport: Transport) => {
    accepted = await publish(watched(transport, trial));
  };
  await withOpened(trial, open, first, directory.path);
  const second = async (opened: Transport) => {
    const transport = watched(opened, trial);
    const { handle, ids } = recorder();
    await using _ = await transport.subscribe(handle);
    if (accepted) await trial.until("the accepted event to be handled after the end of who accepted it", () => ids().has(id));
    const next = sampleEvent();
    await publishUntilAccepted(trial, transport, next);
    await trial.until("an event published after the transport was opened again", () => ids().has(next.id));
  };
  await withOpened(trial, open, second, directory.path);
}

async function isAccepted(publishing: Promise<void>): Promise<boolean> {
  try {
    await publishing;
    return true;
  } catch {
    // Refused: nothing was promised.
    return false;
  }
}
