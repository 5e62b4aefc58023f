import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Json, JsonObject } from "attune";
import { runCommand, typescriptCommand } from "../support/script.ts";

const command = typescriptCommand("packs/core/actions/http_request.ts");
const directory = mkdtempSync(join(tmpdir(), "attune-http-"));

/** Says what it was asked, beside a few routes that misbehave. */
const answer = async (request: Request): Promise<Response> => {
  const url = new URL(request.url);
  switch (url.pathname) {
    case "/missing":
      return new Response("nothing here", { status: 404 });
    case "/cookies":
      return new Response("", {
        headers: [
          ["set-cookie", "a=1; Expires=Thu, 01 Jan 2032 00:00:00 GMT"],
          ["set-cookie", "b=2"],
        ],
      });
    case "/redirect":
      return new Response("moved", {
        status: Number(url.searchParams.get("status") ?? 302),
        headers: { location: url.searchParams.get("to") ?? "/" },
      });
    case "/loop":
      return Response.redirect(`${url.origin}/loop`, 302);
    case "/never":
      return new Promise(() => {});
    case "/dribble":
      return new Response(new ReadableStream({ pull: (controller) => Bun.sleep(20).then(() => controller.enqueue("x")) }));
    case "/huge":
      return new Response("x".repeat(5 * 1024 * 1024));
    case "/bomb":
      return new Response(Bun.gzipSync(new Uint8Array(64 * 1024 * 1024)), { headers: { "content-encoding": "gzip" } });
    default:
      return Response.json({
        method: request.method,
        path: url.pathname,
        query: url.search,
        headers: Object.fromEntries(request.headers),
        body: await request.text(),
      });
  }
};
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 0, fetch: answer });
const other = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
const secure = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer, tls: selfSigned() });
afterAll(async () => {
  await Promise.all([server.stop(true), other.stop(true), secure.stop(true)]);
  rmSync(directory, { recursive: true });
});

function selfSigned() {
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const made = Bun.spawnSync(["openssl", ...args, "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", cert]);
  if (!made.success) throw new Error(made.stderr.toString());
  return { key: Bun.file(key), cert: Bun.file(cert) };
}

interface Result {
  status_code: number;
  headers: Record<string, string>;
  body: string;
  json: { method: string; path: string; query: string; headers: Record<string, string>; body: string };
  elapsed_ms: number;
  url: string;
  success: boolean;
  error?: string;
}
const local = (path: string) => `${server.url.origin}${path}`;

async function request(parameters: JsonObject): Promise<Result & { code: number; stderr: string }> {
  const { code, stdout, stderr } = await runCommand(command, { stdin: `${JSON.stringify(parameters)}\n` });
  return { ...JSON.parse(stdout), code, stderr };
}

test("a plain GET", async () => {
  const result = await request({ url: local("/a?x=1") });
  expect(result).toMatchObject({ code: 0, status_code: 200, success: true, url: local("/a?x=1"), stderr: "" });
  expect(result.json).toMatchObject({ method: "GET", path: "/a", query: "?x=1", body: "" });
  expect(JSON.parse(result.body)).toEqual(result.json);
  expect(result.headers["content-type"]).toContain("application/json");
  expect(result.elapsed_ms).toBeGreaterThanOrEqual(0);
  expect(result).not.toHaveProperty("error");
});

test("an error status is a response, not a failure of the action", async () => {
  expect(await request({ url: local("/missing") })).toMatchObject({
    code: 0,
    status_code: 404,
    success: false,
    body: "nothing here",
    json: null,
  });
});

test("HEAD has a status and no body", async () => {
  expect(await request({ url: local("/"), method: "HEAD" })).toMatchObject({ code: 0, status_code: 200, body: "", json: null });
});

test("an object as json_body", async () => {
  const { json } = await request({ url: local("/"), method: "POST", json_body: { a: { b: [1, null] } } });
  expect(json).toMatchObject({ method: "POST", body: '{"a":{"b":[1,null]}}' });
  expect(json.headers["content-type"]).toBe("application/json");
});

test("text body, headers and query parameters arrive as given", async () => {
  const { json } = await request({
    url: local("/?x=1"),
    method: "PUT",
    body: "a=ü\n",
    headers: { "X-Number": 5, "x-none": null, "Content-Type": "text/csv" },
    query_params: { q: "a&b=c", list: [1, 2], none: null, yes: true },
  });
  expect(json).toMatchObject({ method: "PUT", body: "a=ü\n", query: "?x=1&q=a%26b%3Dc&list=1&list=2&yes=true" });
  expect(json.headers).toMatchObject({ "x-number": "5", "content-type": "text/csv" });
  expect(json.headers).not.toHaveProperty("x-none");
});

test("several cookies stay apart", async () => {
  const { headers } = await request({ url: local("/cookies") });
  expect(headers["set-cookie"]).toBe("a=1; Expires=Thu, 01 Jan 2032 00:00:00 GMT\nb=2");
});

describe("authentication", () => {
  const basic = `Basic ${Buffer.from("ann:se:cret").toString("base64")}`;
  test.each<[string, JsonObject, string]>([
    ["basic", { auth_type: "basic", auth_username: "ann", auth_password: "se:cret" }, basic],
    ["bearer", { auth_type: "bearer", auth_token: "abc.def" }, "Bearer abc.def"],
  ])("%s", async (_type, parameters, expected) => {
    expect((await request({ url: local("/"), ...parameters })).json.headers["authorization"]).toBe(expected);
  });

  test("in the address, which is shown without it", async () => {
    const result = await request({ url: `http://ann:se%3Acret@${server.url.host}/` });
    expect(result.json.headers["authorization"]).toBe(basic);
    expect(result.url).toBe(local("/"));
    expect((await request({ url: "http://ann:secret@127.0.0.1:1/" })).url).toBe("http://127.0.0.1:1/");
  });

  test.each<JsonObject>([
    { auth_type: "basic" },
    { auth_type: "bearer" },
    { auth_type: "bearer", auth_token: "a\nb: c" },
    { auth_type: "digest" },
  ])("refuses %j", async (parameters) => {
    expect(await request({ url: local("/"), ...parameters })).toMatchObject({ code: 1, error: expect.stringMatching(/^auth_/) });
  });
});

describe("redirects", () => {
  const redirect = (to: string, status = 302) => local(`/redirect?status=${status}&to=${encodeURIComponent(to)}`);

  test("are followed to the last address", async () => {
    expect(await request({ url: redirect("/end") })).toMatchObject({
      status_code: 200,
      url: local("/end"),
      json: { path: "/end" },
    });
  });

  test("are responses when they are not followed", async () => {
    const result = await request({ url: redirect("/end"), follow_redirects: false });
    expect(result).toMatchObject({ code: 0, status_code: 302, success: false, body: "moved" });
    expect(result.headers["location"]).toBe("/end");
  });

  test("end after max_redirects", async () => {
    expect(await request({ url: local("/loop"), max_redirects: 3 })).toMatchObject({
      code: 1,
      success: false,
      error: "too many redirects",
    });
    expect(await request({ url: redirect("/end"), max_redirects: 1 })).toMatchObject({ code: 0, status_code: 200 });
    expect(await request({ url: redirect("/end"), max_redirects: 0 })).toMatchObject({ code: 1 });
  });

  test.each([
    [302, "GET", ""],
    [303, "GET", ""],
    [307, "POST", '{"a":1}'],
    [308, "POST", '{"a":1}'],
  ])("a %d after a POST is a %s", async (status, method, body) => {
    const { json } = await request({ url: redirect("/end", status), method: "POST", json_body: { a: 1 } });
    expect(json).toMatchObject({ method, body });
    expect(json.headers["content-type"]).toBe(body === "" ? undefined : "application/json");
  });

  test("credentials stay with their origin", async () => {
    const secrets = { auth_type: "bearer", auth_token: "secret", headers: { cookie: "session=1", "x-trace": "7" } };
    const away = await request({ url: redirect(`${other.url.origin}/end`), ...secrets });
    expect(away.json.headers).toMatchObject({ "x-trace": "7", host: other.url.host });
    expect(away.json.headers).not.toHaveProperty("authorization");
    expect(away.json.headers).not.toHaveProperty("cookie");
    const stays = await request({ url: redirect("/end"), ...secrets });
    expect(stays.json.headers).toMatchObject({ authorization: "Bearer secret", cookie: "session=1" });
  });

  test.each(["file:///etc/passwd", "data:text/plain,hi", "ftp://127.0.0.1/"])("to %s is refused", async (to) => {
    expect(await request({ url: redirect(to) })).toMatchObject({
      code: 1,
      status_code: 0,
      error: expect.stringContaining("only http and https"),
    });
  });
});

describe("limits", () => {
  test.each(["/never", "/dribble"])("%s ends with the timeout", async (path) => {
    const result = await request({ url: local(path), timeout: 1 });
    expect(result).toMatchObject({ code: 1, success: false, status_code: 0, error: "no complete response within 1 s" });
    expect(result.elapsed_ms).toBeGreaterThan(900);
    expect(result.elapsed_ms).toBeLessThan(5_000);
  });

  test.each(["/huge", "/bomb"])("%s is refused", async (path) => {
    expect(await request({ url: local(path) })).toMatchObject({ code: 1, error: "the response is larger than 4 MiB" });
  });
});

describe("TLS", () => {
  test("an unknown certificate is refused, and says how to accept it", async () => {
    expect(await request({ url: `${secure.url.origin}/` })).toMatchObject({
      code: 1,
      error: expect.stringContaining("verify_ssl: false"),
    });
  });
  test("verify_ssl: false accepts it", async () => {
    expect(await request({ url: `${secure.url.origin}/`, verify_ssl: false })).toMatchObject({ code: 0, status_code: 200 });
  });
});

describe("bad parameters", () => {
  test.each<[JsonObject, RegExp]>([
    [{}, /url is required/],
    [{ url: "not an address" }, /not an address/],
    [{ url: "http://" }, /not an address/],
    [{ url: "file:///etc/passwd" }, /only http and https/],
    [{ url: "http://127.0.0.1:1/" }, /connect/i],
    [{ url: 5 }, /url is not a text/],
  ])("%j", async (parameters, message) => {
    const result = await request(parameters);
    expect(result).toMatchObject({ code: 1, success: false, status_code: 0 });
    expect(result.error).toMatch(message);
    expect(result.stderr).toBe(`${result.error}\n`);
  });

  const hostileHeaders: Json[] = [
    { "x-a": "1\r\nx-injected: 2" },
    { "x-a\r\nx-injected": "2" },
    { "x a": "1" },
    { "": "1" },
    { "x-a": "\u0000" },
    { "x-a": { b: 1 } },
    { "Transfer-Encoding": "chunked" },
    { "Content-Length": "3" },
    "x-a: 1",
  ];
  test.each(hostileHeaders)("headers %j", async (headers) => {
    expect(await request({ url: local("/"), headers })).toMatchObject({ code: 1, error: expect.stringContaining("header") });
  });

  test.each<[JsonObject, string]>([
    [{ body: "a", json_body: {}, method: "POST" }, "exclude each other"],
    [{ body: "a" }, "can't have a body"],
    [{ timeout: 0 }, "timeout"],
    [{ timeout: 301 }, "timeout"],
    [{ max_redirects: -1 }, "max_redirects"],
    [{ query_params: [] }, "query_params"],
  ])("%j", async (parameters, message) => {
    expect(await request({ url: local("/"), ...parameters })).toMatchObject({ code: 1, error: expect.stringContaining(message) });
  });
});
