import type { Connection } from "./connection.ts";
import { unavailable } from "./failure.ts";

export interface Pool {
  /** Waits for a free connection when all are in use. Rejects when none can be made. */
  acquire(): Promise<Connection>;
  release(connection: Connection): void;
  /** Ends the connections that nobody used since the last call. */
  trim(): Promise<void>;
  /** Refuses new work, lets what is under way finish for `grace` milliseconds, then cuts it off. */
  close(grace: number): Promise<void>;
}
interface Waiter {
  resolve(connection: Connection): void;
  reject(error: Error): void;
}

/**
 * At most `max` connections, made when wanted. The one used last is taken first: its statements are prepared, and the
 * others grow old enough to be ended.
 */
export function createPool(open: (onClose: () => void) => Promise<Connection>, max: number, where: string): Pool {
  const all = new Set<Connection>();
  const waiting: Waiter[] = [];
  let idle: Connection[] = [];
  let unused = new Set<Connection>();
  let opening = 0;
  let closing = false;
  let emptied = () => {};

  function forget(connection: Connection): void {
    all.delete(connection);
    idle = idle.filter((other) => other !== connection);
    unused.delete(connection);
    serveNext();
    if (all.size === 0) emptied();
  }

  async function add(waiter: Waiter): Promise<void> {
    opening++;
    let connection: Connection | undefined;
    try {
      connection = await open(() => {
        if (connection) forget(connection);
      });
    } catch (thrown) {
      opening--;
      waiter.reject(thrown as Error);
      serveNext();
      return;
    }
    opening--;
    if (closing) {
      connection.destroy();
      waiter.reject(closed());
      return;
    }
    all.add(connection);
    waiter.resolve(connection);
  }

  function serveNext(): void {
    while (waiting.length > 0) {
      const connection = idle.pop();
      if (connection) {
        unused.delete(connection);
        waiting.shift()?.resolve(connection);
      } else if (all.size + opening < max) {
        const waiter = waiting.shift();
        if (waiter) void add(waiter);
      } else return;
    }
  }

  function giveBack(connection: Connection, reusable: boolean): void {
    if (!reusable || closing) {
      connection.destroy();
      forget(connection);
      return;
    }
    idle.push(connection);
    serveNext();
  }

  const closed = () => unavailable(where, "the storage is closed");

  return {
    acquire() {
      if (closing) return Promise.reject(closed());
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        serveNext();
      });
    },
    release(connection) {
      const reusable = connection.reusable();
      if (typeof reusable === "boolean") giveBack(connection, reusable);
      else void reusable.then((answer) => giveBack(connection, answer));
    },
    async trim() {
      const stale = idle.filter((connection) => unused.has(connection));
      unused = new Set(idle);
      await Promise.all(stale.map((connection) => connection.end()));
    },
    async close(grace) {
      closing = true;
      for (const waiter of waiting.splice(0)) waiter.reject(closed());
      await Promise.all(idle.splice(0).map((connection) => connection.end()));
      if (all.size === 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, grace);
        emptied = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      for (const connection of all) connection.destroy();
    },
  };
}
