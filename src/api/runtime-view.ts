import type { Runtime } from "../core/registry.ts";

/** A runtime as the API shows it; `version` and `path` are those of the interpreter that is used when nothing else is asked for. */
export function runtimeView(runtime: Runtime) {
  const { state } = runtime;
  const interpreters = state.available ? state.interpreters : [];
  const [first] = interpreters;
  return {
    ref: runtime.ref,
    name: runtime.name,
    description: runtime.description,
    available: state.available && !isRefused(runtime),
    version: first?.version ?? null,
    path: first?.path ?? null,
    reason: state.available ? refusalOf(runtime) : state.reason,
    versions: interpreters.map(({ version, path }) => ({ version: version ?? null, path: path ?? null })),
    aliases: runtime.aliases,
    extensions: runtime.extensions,
    source: runtime.source,
  };
}

function isRefused({ refused }: Runtime): boolean {
  return refused.action !== null && refused.sensor !== null;
}

/** What the operator keeps from using it, although it is there. */
function refusalOf(runtime: Runtime): string | null {
  const { action, sensor } = runtime.refused;
  const parts = [action && `actions: ${action}`, sensor && `sensors: ${sensor}`].filter((part) => part !== null);
  return parts.length === 0 ? null : parts.join("; ");
}
