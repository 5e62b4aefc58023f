import { checkRule } from "../core/events/compile.ts";
import { type ValidatedPack, validatePacks } from "../core/packs/validate.ts";
import { offlineRuntimeNames } from "./offline-runtimes.ts";
import { offlineSchemas } from "./offline-schemas.ts";

/** Every mistake and warning of the packs in these absolute directories that shows without a daemon. */
export async function validateOffline(directories: readonly string[]): Promise<ValidatedPack[]> {
  return validatePacks(directories, { runtimeNames: offlineRuntimeNames(), known: offlineSchemas(), checkRule });
}
