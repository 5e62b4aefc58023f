import type { EventMessage, Filters, LaunchTarget, Observers } from "../../core/plugin.ts";
import { sampleEvent } from "./events.ts";

type HookArguments = { [K in keyof Observers]: Parameters<Observers[K]> } & { [K in keyof Filters]: Parameters<Filters[K]> };

const id = "0198b1f2-7c3e-7b4a-9d52-1f0c6a8e4b21";
const target: LaunchTarget = {
  kind: "action",
  ref: "contract.sample",
  entrypoint: "/nonexistent/contract/actions/sample.sh",
  inline: false,
  pack: { ref: "contract", dir: "/nonexistent/contract" },
  interpreter: { path: "/bin/sh" },
  environment: null,
};
const problem = {
  severity: "error",
  file: "actions/sample.yaml",
  line: 3,
  column: 1,
  message: "a sample of a mistake",
  hint: null,
} as const;
const execution = { id, action: "contract.sample", rule: "contract.rule" } as const;

/** What handlers of each hook are called with, as the daemon would: whole values, and those with as little as there can be. */
export function hookSamples(): { readonly [K in keyof HookArguments]: readonly HookArguments[K][] } {
  const full: EventMessage = sampleEvent({
    rule: "contract.rule",
    payload: { text: "hello", number: 1.5, list: [1, null], inner: { deep: true } },
    checkpoint: { position: 7 },
  });
  const bare = sampleEvent({ sensor: null, payload: {} });
  return {
    "daemon:ready": [[{ url: "http://127.0.0.1:1" }]],
    "daemon:stopping": [[{ reason: "SIGTERM" }]],
    "pack:changed": [[{ pack: "contract", added: ["contract.sample"], changed: [], removed: [] }]],
    "pack:rejected": [[{ pack: "contract", errors: [problem] }]],
    "plugin:changed": [[{ plugin: "contract", change: "added" }]],
    "plugin:rejected": [[{ plugin: "contract", error: "a sample of a mistake" }]],
    "sensor:state": [
      [{ sensor: "contract.sensor", status: "running", pid: 1, reason: null }],
      [{ sensor: "contract.sensor", status: "backoff", pid: null, reason: "exit code 1" }],
    ],
    "event:accepted": [[full], [bare]],
    "enforcement:created": [
      [{ id, event: full.id, rule: "contract.rule", trigger: full.trigger, status: "fired", reason: null }],
      [{ id, event: full.id, rule: "contract.rule", trigger: full.trigger, status: "unmatched", reason: "a sample" }],
    ],
    "execution:state": [
      [{ ...execution, from: null, to: "requested", exitCode: null, error: null }],
      [{ ...execution, from: "running", to: "completed", exitCode: 0, error: null }],
      [{ ...execution, rule: null, from: "running", to: "failed", exitCode: 1, error: "exit code 1" }],
    ],
    "process:started": [[{ kind: "action", ref: "contract.sample", pid: 1, execution: id }]],
    "process:exited": [
      [{ kind: "action", ref: "contract.sample", pid: 1, execution: id, code: 0, signal: null }],
      [{ kind: "sensor", ref: "contract.sensor", pid: 1, execution: null, code: null, signal: "SIGKILL" }],
    ],
    "event:accept": [[full], [bare]],
    "execution:plan": [
      [{ id, action: "contract.sample", rule: "contract.rule", event: full.id, parameters: { message: "hello" } }],
      [{ id, action: "contract.sample", rule: null, event: null, parameters: {} }],
    ],
    "process:launch": [[{ argv: ["/bin/sh", target.entrypoint] }, target]],
  };
}
