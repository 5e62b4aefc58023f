import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { download, downloadText } from "../../src/core/install/download.ts";
import type { Progress } from "../../src/core/install/progress.ts";
import { tempDir } from "../support/packs.ts";
import { until } from "../support/until.ts";

// Generous, for a machine that is busy with other things: nothing waits for it.
setDefaultTimeout(60_000);

const MiB = 1024 * 1024;

/** A web server on the loopback address, with the requests it saw. */
function serve(answer: (request: Request, url: URL) => Response | Promise<Response>) {
  const seen: Request[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      seen.push(request);
      return answer(request, new URL(request.url));
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, seen, [Symbol.asyncDispose]: () => server.stop(true) };
}

const work = (progress: (one: Progress) => void = () => {}, signal = new AbortController().signal) => ({ signal, progress });
const to = (path: string) => new Response(null, { status: 302, headers: { Location: path } });

describe("a download", () => {
  test("is written with its digest, and says how far it is", async () => {
    using dir = tempDir("download");
    const content = crypto.getRandomValues(new Uint8Array(60_000));
    await using server = serve(() => new Response(content));
    const told: Progress[] = [];
    const file = join(dir.path, "archive");
    const found = await download(
      `${server.url}/a.tgz`,
      file,
      work((one) => told.push(one)),
    );
    expect(found).toEqual({ bytes: 60_000, sha256: createHash("sha256").update(content).digest("hex") });
    expect(new Uint8Array(readFileSync(file))).toEqual(content);
    expect(told.at(-1)).toEqual({ phase: "download", from: `${server.url}/a.tgz`, bytes: 60_000, total: 60_000 });
  });

  test("is taken as it is, also from a server that calls the archive an encoding", async () => {
    using dir = tempDir("download");
    const archive = Bun.gzipSync(Buffer.from("text"));
    await using server = serve(() => new Response(archive, { headers: { "Content-Encoding": "gzip" } }));
    await download(server.url, join(dir.path, "a"), work());
    expect(new Uint8Array(readFileSync(join(dir.path, "a")))).toEqual(archive);
  });

  test("follows a few redirects, also relative ones", async () => {
    await using server = serve((_, { pathname }) => {
      if (pathname === "/a") return to("/b");
      return pathname === "/b" ? to("c?x=1") : new Response("here");
    });
    expect(await downloadText(`${server.url}/a`, 100, work().signal)).toBe("here");
  });

  test.each([
    ["itself for ever", "/again", "leads on more than 5 times"],
    ["a file of this machine", "file:///etc/passwd", "neither an http nor an https"],
    ["data", "data:text/plain,x", "neither an http nor an https"],
    ["another service", "gopher://127.0.0.1:70/", "neither an http nor an https"],
    ["an address with a password", "http://a:b@127.0.0.1/", "password"],
  ])("that leads to %s is refused", async (_, location, message) => {
    await using server = serve(() => to(location));
    await expect(downloadText(`${server.url}/again`, 100, work().signal)).rejects.toMatchObject({
      code: "SOURCE_REFUSED",
      message: expect.stringContaining(message),
    });
    expect(server.seen.length).toBeLessThan(8);
  });

  test("that says it is too large is refused before it is read, one that does not say it as soon as it is", async () => {
    using dir = tempDir("download");
    let sent = 0;
    await using server = serve((_, { pathname }) => {
      if (pathname === "/stated") return new Response(new Uint8Array(129 * MiB));
      const endless = new ReadableStream({
        pull(controller) {
          sent += MiB;
          controller.enqueue(new Uint8Array(MiB));
        },
      });
      return new Response(endless);
    });
    for (const path of ["stated", "endless"]) {
      const refused = download(`${server.url}/${path}`, join(dir.path, path), work());
      await expect(refused).rejects.toMatchObject({ code: "SOURCE_REFUSED", message: expect.stringContaining("128 MiB") });
    }
    expect(sent).toBeLessThan(400 * MiB);
  });

  test("that ends too early, or is not there, may be tried again", async () => {
    const half = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data(socket) {
          socket.end("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
        },
      },
    });
    try {
      const cut = downloadText(`http://127.0.0.1:${half.port}/`, 2_000, work().signal);
      await expect(cut).rejects.toMatchObject({ code: "SOURCE_UNAVAILABLE", retryable: true });
    } finally {
      half.stop(true);
    }
    await using server = serve(() => new Response("no", { status: 404 }));
    await expect(downloadText(server.url, 100, work().signal)).rejects.toMatchObject({
      code: "SOURCE_UNAVAILABLE",
      message: expect.stringContaining("answered 404"),
    });
    await expect(downloadText("http://127.0.0.1:1/", 100, work().signal)).rejects.toMatchObject({ code: "SOURCE_UNAVAILABLE" });
  });

  test("ends when it is interrupted", async () => {
    using dir = tempDir("download");
    const interrupted = new AbortController();
    await using server = serve(
      () => new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(10)) })),
    );
    const told: Progress[] = [];
    const running = download(
      server.url,
      join(dir.path, "a"),
      work((one) => told.push(one), interrupted.signal),
    );
    await until("some of it is there", () => told.length > 0);
    interrupted.abort("SIGINT");
    expect(await running.catch((reason: unknown) => reason)).toBe("SIGINT");
  });
});
