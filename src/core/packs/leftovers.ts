/**
 * What version control, interpreters and editors put beside the sources: vim's swap files, its backups and the `4913` it tries a
 * directory with, Emacs' locks and autosaves, the temporary files of GNOME's and JetBrains' editors; and where attune notes what
 * an installed pack came from.
 */
const LEFTOVER =
  /^(?:\.git|\.venv|__pycache__|\.DS_Store|4913|.*~|\..*\.sw[a-z]|#.*#|\.#.*|\.goutputstream-.*|.*___jb_(?:tmp|old)___|\.attune-install\.json)$/s;

/** Whether a file or directory of this name is no part of a pack, wherever in the pack it lies. */
export function isLeftover(name: string): boolean {
  return LEFTOVER.test(name);
}

/** Installed packages: thousands of files that no author edits. */
export const INSTALLED = "node_modules";
