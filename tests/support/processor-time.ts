/** Milliseconds of this process's processor time that `work` takes: unlike a clock's, they do not depend on what else runs. */
export async function processorTime(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
