/** Truth as Python has it: null, false, 0, and empty strings, lists and objects are false, all else is true. */
export function isTruthy(value: unknown): boolean {
  if (typeof value !== "object") return Boolean(value);
  if (value === null) return false;
  if (Array.isArray(value)) return value.length > 0;
  return Object.getPrototypeOf(value) !== Object.prototype || Object.keys(value).length > 0;
}
