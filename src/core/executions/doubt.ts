/** Milliseconds for which a server may still be at work on a commit whose connection is lost. */
const lasts = 60_000;

/**
 * The executions whose transaction broke at its commit. While one is open nothing else may be claimed, since only then does
 * a look into the database tell who it belongs to; what is not found yet is asked for again later, as the server may not
 * have noticed that nobody listens to it any more.
 */
export interface Doubt {
  /** To be asked for now. */
  readonly open: ReadonlySet<string>;
  add(ids: Iterable<string>): void;
  /** It is known to run here. */
  forget(id: string): void;
  /** The database was asked for all that was open. */
  asked(): void;
  /** Opens what was not found before and may have been committed since. */
  reopen(): void;
}

export function createDoubt(): Doubt {
  const open = new Set<string>();
  /** Until when it may turn up, by `performance.now()`. */
  const until = new Map<string, number>();
  return {
    open,
    add(ids) {
      for (const id of ids) {
        open.add(id);
        until.set(id, performance.now() + lasts);
      }
    },
    forget(id) {
      open.delete(id);
      until.delete(id);
    },
    asked: () => open.clear(),
    reopen() {
      for (const [id, end] of until) {
        if (performance.now() < end) open.add(id);
        else until.delete(id);
      }
    },
  };
}
