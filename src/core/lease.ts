import { hostname } from "node:os";
import { AttuneError, toError } from "./errors.ts";
import type { Scope, Storage } from "./plugin.ts";

const ttlSeconds = 15;
const renewEvery = 5_000;

/**
 * Takes the lease that makes this daemon the only one on its database, and renews it while the scope lives. Throws
 * DATABASE_LOCKED naming the holder when another one has it. A lease of the same `home` is taken over at once: the caller
 * holds the lock of that data directory, so the earlier owner is dead.
 *
 * `reachable` is told at each renewal whether the database answered. `lost` is called once when the lease could not be renewed in time: another daemon may hold the database from then on.
 */
export async function holdLease(
  storage: Storage,
  scope: Scope,
  options: { owner: string; home: string; lost: (error: Error) => void; reachable: (is: boolean) => void },
): Promise<void> {
  const holder = `pid ${process.pid} on ${hostname()}`;
  const { rowCount } = await storage.query(
    `INSERT INTO lease (name, owner, home, holder, expires_at) VALUES ('daemon', $1, $2, $3, now() + make_interval(secs => $4))
     ON CONFLICT (name) DO UPDATE
       SET owner = excluded.owner, home = excluded.home, holder = excluded.holder, expires_at = excluded.expires_at
     WHERE lease.expires_at < now() OR lease.home = excluded.home`,
    [options.owner, options.home, holder, ttlSeconds],
  );
  if (rowCount === 0) {
    const { rows } = await storage.query<{ holder: string; seconds: number }>(
      "SELECT holder, ceil(extract(epoch FROM expires_at - now()))::int AS seconds FROM lease WHERE name = 'daemon'",
    );
    const other = rows[0];
    throw new AttuneError("DATABASE_LOCKED", `another attune daemon holds this database: ${other?.holder ?? "unknown"}`, {
      hint: `stop it first; if it was killed, its lease ends in ${other?.seconds ?? ttlSeconds} s`,
    });
  }

  let renewed = performance.now();
  let gone = false;
  scope.every(renewEvery, async () => {
    if (gone) return;
    try {
      const result = await storage.query(
        "UPDATE lease SET expires_at = now() + make_interval(secs => $2) WHERE name = 'daemon' AND owner = $1",
        [options.owner, ttlSeconds],
      );
      if (result.rowCount === 0) throw new AttuneError("DATABASE_LOCKED", "another attune daemon took this database over");
      renewed = performance.now();
      options.reachable(true);
    } catch (thrown) {
      const error = toError(thrown);
      // The database being away is no reason to go: nobody else can take the lease there either.
      if (error instanceof AttuneError && error.code === "DATABASE_LOCKED") {
        gone = true;
        options.lost(error);
      } else {
        options.reachable(false);
        scope.log.warn("cannot renew the lease on the database", {
          error: error.message,
          seconds: Math.round((performance.now() - renewed) / 1000),
        });
      }
    }
  });
  scope.defer(async () => {
    // A lease that can't be given back runs out by itself.
    await storage.query("DELETE FROM lease WHERE name = 'daemon' AND owner = $1", [options.owner]).catch(() => {});
  });
}
