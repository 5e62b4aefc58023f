/**
 * What `import ... from "attune/testing"` gives to the authors of plugins: what each kind of plugin promises, as cases that any
 * test framework can run. `for (const { name, run } of transportContract(myTransport.open)) test(name, () => run(AbortSignal.timeout(10_000)))`
 */
export type { Case } from "./case.ts";
export { hooksContract } from "./hooks.ts";
export { pluginContract } from "./plugin.ts";
export { type RuntimeOptions, runtimeContract } from "./runtime.ts";
export { type StorageOptions, storageContract } from "./storage.ts";
export { type OpenTransport, type TransportOptions, transportContract } from "./transport.ts";
