import { createHash, timingSafeEqual } from "node:crypto";
import { AttuneError } from "../core/errors.ts";

/** The only paths answered without a token, compared as a whole. */
export const publicPaths: ReadonlySet<string> = new Set(["/health", "/health/live", "/health/ready", "/healthz", "/readyz"]);

export interface GuardOptions {
  readonly token: string;
  /** Host names without port, lower case, IPv6 in brackets. */
  readonly hosts: ReadonlySet<string>;
}

/**
 * Decides whether a request may reach a route: an allowed Host (against DNS rebinding), no foreign Origin (against pages in
 * the operator's browser), and the token for everything but `publicPaths`. Throws the refusal.
 */
export function createGuard(options: GuardOptions): (request: Request) => void {
  const expected = digest(options.token);
  return (request) => {
    const host = request.headers.get("host") ?? "";
    if (!options.hosts.has(hostName(host))) {
      throw new AttuneError("HOST_REFUSED", "this host name is not served here", {
        hint: "use localhost or 127.0.0.1, or add the name to api.allowedHosts",
      });
    }
    const origin = request.headers.get("origin");
    if (origin !== null && !isSameOrigin(origin, host)) {
      throw new AttuneError("REFUSED", "requests from another origin are refused");
    }
    if (publicPaths.has(new URL(request.url).pathname) && (request.method === "GET" || request.method === "HEAD")) return;
    const given = bearer(request.headers.get("authorization"));
    if (given === null || !timingSafeEqual(digest(given), expected)) {
      throw new AttuneError("UNAUTHENTICATED", given === null ? "a token is required" : "the token is not valid", {
        hint: "send Authorization: Bearer <token>; the daemon keeps it in <data directory>/token",
      });
    }
  };
}

/** The host of a Host header, without port, lower case; empty when it is not one. */
function hostName(header: string): string {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(header);
  return match?.[1]?.toLowerCase() ?? "";
}

function isSameOrigin(origin: string, host: string): boolean {
  return /^https?:\/\/[^/]+$/i.test(origin) && origin.slice(origin.indexOf("//") + 2).toLowerCase() === host.toLowerCase();
}

function bearer(header: string | null): string | null {
  return /^Bearer ([^\s]+)$/i.exec(header ?? "")?.[1] ?? null;
}

/** Digests have one length, which timingSafeEqual needs and which hides the token's own. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
