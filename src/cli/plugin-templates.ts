export const pluginKinds = ["runtime", "hooks", "transport", "storage"] as const;
export type PluginKind = (typeof pluginKinds)[number];

/** The text of a new plugin file: small, working, and to be changed. `name` has been checked. */
export const pluginTemplates: Readonly<Record<PluginKind, (name: string) => string>> = {
  runtime: (name) => `import { defineRuntime } from "attune";

// Scripts that end in .${name}, or say "runner_type: ${name}", are run with this. Save the file and it is live.
export default defineRuntime({
  name: "${name}",
  api: 1,
  extensions: [".${name}"],
  // Is the interpreter here? What is thrown is shown as the reason why not.
  probe() {
    const path = Bun.which("${name}");
    if (path === null) throw new Error("${name} is not on the PATH");
    return { path };
  },
  // How a script is started. attune does the rest: parameters, output, limits, time, ending it.
  launch: ({ entrypoint, interpreter }) => ({ argv: [interpreter.path ?? "${name}", entrypoint] }),
});
`,

  hooks: (name) => `import { definePlugin, type Logger } from "attune";

let log: Logger;

// Hears and filters what happens in the daemon. Save the file and it is live.
export default definePlugin({
  kind: "hooks",
  name: "${name}",
  api: 1,
  // Runs when this version of the file takes over. What is acquired through the scope ends with it:
  // scope.defer(() => ...) for clean-up, scope.every(ms, task) for a timer.
  setup(context) {
    log = context.log;
  },
  hooks: {
    // Observers are told and can't change anything.
    "execution:state"(change) {
      if (change.to === "failed") log.warn("an execution failed", { action: change.action, error: change.error });
    },
    // Filters return what goes on, changed or not; null drops it.
    "event:accept": (event) => event,
  },
});
`,

  transport: (name) => `import { AttuneError, definePlugin, type EventMessage } from "attune";

type Handle = (batch: readonly EventMessage[]) => Promise<void>;

const mostInBatch = 64;

// Moves events from where they are accepted to where they are handled. This one goes through memory, so publish()
// resolves only when the event is stored: whoever published it keeps it until then.
export default definePlugin({
  kind: "transport",
  name: "${name}",
  api: 1,
  async open({ scope }) {
    const waiting: { event: EventMessage; settled: PromiseWithResolvers<void> }[] = [];
    let handle: Handle | undefined;
    let working: Promise<void> | undefined;

    // One batch at a time, of what has arrived meanwhile.
    async function work(): Promise<void> {
      while (handle && waiting.length > 0) {
        const batch = waiting.splice(0, mostInBatch);
        try {
          await handle(batch.map(({ event }) => event));
          for (const { settled } of batch) settled.resolve();
        } catch (error) {
          for (const { settled } of batch) settled.reject(error);
        }
      }
      working = undefined;
    }

    const unavailable = () =>
      new AttuneError("TRANSPORT_UNAVAILABLE", "nobody handles events: the daemon is starting or stopping", { retryable: true });

    return {
      description: "in memory (${name})",
      publish(event) {
        if (!handle) return Promise.reject(unavailable());
        const settled = Promise.withResolvers<void>();
        waiting.push({ event, settled });
        // What is published in the same moment shares a batch.
        working ??= Promise.resolve().then(work);
        return settled.promise;
      },
      async subscribe(subscriber) {
        if (handle) throw new AttuneError("CONFLICT", "events are handled already");
        handle = subscriber;
        const unsubscribe = async () => {
          if (handle === subscriber) handle = undefined;
          await working;
          for (const { settled } of waiting.splice(0)) settled.reject(unavailable());
        };
        scope.defer(unsubscribe);
        return { [Symbol.asyncDispose]: unsubscribe };
      },
    };
  },
});
`,

  storage: (name) => `import { definePlugin, postgres } from "attune";

// Says which PostgreSQL is used and how it is reached: the one a variable names, else the one that comes with attune.
export default definePlugin({
  kind: "storage",
  name: "${name}",
  api: 1,
  open(context) {
    const url = process.env["${name.toUpperCase().replaceAll("-", "_")}_URL"];
    return postgres(url === undefined ? {} : { url }).open(context);
  },
});
`,
};
