import { backendEnv, startServers } from "../tests/support/backends.ts";
import { daemonIn } from "../tests/support/daemon.ts";
import { makeProject } from "../tests/support/project.ts";
import { type Figure, median, type Row } from "./figure.ts";

const restarts = 7;

/** From the start of the process to the moment the daemon is ready: the first time ever, and later. */
export const start: Figure = {
  name: "start",
  async measure() {
    const embedded = await measureStarts("embedded", {}, 800);
    await using servers = await startServers();
    return [...embedded, ...(await measureStarts("external", await backendEnv(servers), 500))];
  },
};

async function measureStarts(name: string, env: Record<string, string>, laterAtMost: number): Promise<Row[]> {
  await using daemon = daemonIn(makeProject({ env }));
  const toReady = async () => {
    const began = performance.now();
    await daemon.restart();
    return performance.now() - began;
  };
  const first = await toReady();
  const later: number[] = [];
  for (let i = 0; i < restarts; i++) {
    await daemon.stop();
    later.push(await toReady());
  }
  return [
    { name: `${name}: first start to ready`, value: first, unit: "ms", target: { most: 4_000 } },
    {
      name: `${name}: later start to ready`,
      value: median(later),
      unit: "ms",
      target: { most: laterAtMost },
      note: `median of ${restarts}`,
    },
  ];
}
