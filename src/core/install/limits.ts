/** What an installation may cost; milliseconds and bytes. */
export const limits = {
  /** Of an archive. */
  archiveBytes: 128 * 1024 * 1024,
  /** Of all files of a pack together. */
  packBytes: 256 * 1024 * 1024,
  /** Files and directories of a pack. */
  entries: 10_000,
  /** Times an archive may grow when it is unpacked; below `ratioFrom` bytes it does not matter. */
  ratio: 100,
  ratioFrom: 1024 * 1024,
  /** Of what tar puts between the files. */
  tarOverhead: 16 * 1024 * 1024,
  redirects: 5,
  /** Without a byte from a server. */
  idle: 30_000,
  /** Of one download, or of git. */
  transfer: 10 * 60_000,
  gitBytes: 512 * 1024 * 1024,
  indexBytes: 4 * 1024 * 1024,
} as const;

/** Bytes that an archive of this size may hold. */
export function mostUnpacked(archiveBytes: number): number {
  return Math.min(limits.packBytes, Math.max(limits.ratioFrom, limits.ratio * archiveBytes));
}
