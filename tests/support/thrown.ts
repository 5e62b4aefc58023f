/** What `task` throws, or undefined. For looking at more than one thing of an error. */
export function thrownBy(task: () => unknown): unknown {
  try {
    task();
  } catch (error) {
    return error;
  }
  return undefined;
}
