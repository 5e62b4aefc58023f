/**
 * The command line that starts this program once more: the binary alone, or Bun and the file it was started with in a run
 * from source.
 */
export function selfCommand(): readonly [string, ...string[]] {
  return Bun.main.startsWith("/$bunfs/") ? [process.execPath] : [process.execPath, Bun.main];
}
