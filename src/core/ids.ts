/** Names attune's own UUIDs; changing it would make the daemon forget what it has already handled. */
const namespace = "6c1f0d0e-6d0b-5f4e-9a61-3d8a0f9f2b47";

function uuidOf(...parts: readonly string[]): string {
  return Bun.randomUUIDv5(parts.join("\0"), namespace);
}

/** The same occurrence, seen twice, has the same id: `key` is the source's own name for it. */
export function eventId(source: string, trigger: string, key: string): string {
  return uuidOf("event", source, trigger, key);
}
export function newId(): string {
  return Bun.randomUUIDv7();
}
export function enforcementId(event: string, ruleId: number): string {
  return uuidOf("enforcement", event, String(ruleId));
}
/** Also the id of the pg-boss job. */
export function executionId(event: string, ruleId: number): string {
  return uuidOf("execution", event, String(ruleId));
}
/** An execution asked for twice with the same key is one execution. */
export function executionIdOfKey(action: string, key: string): string {
  return uuidOf("key", action, key);
}
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text);
}
