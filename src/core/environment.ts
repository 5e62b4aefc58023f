/** What a child gets of the daemon's own environment: enough to find programs, homes, proxies and certificates. */
const passed = [
  "PATH",
  "HOME",
  "LANG",
  "LANGUAGE",
  "TZ",
  "TMPDIR",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "ALL_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "all_proxy",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "NODE_EXTRA_CA_CERTS",
  "REQUESTS_CA_BUNDLE",
  "CURL_CA_BUNDLE",
];

export type Environment = Readonly<Record<string, string | undefined>>;

/** The clean environment children start from; `extra` names further variables to pass. */
export function baseEnvironment(env: Environment, extra: readonly string[]): Record<string, string> {
  const result: Record<string, string> = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };
  for (const name of [...passed, ...extra]) {
    const value = env[name];
    if (value !== undefined) result[name] = value;
  }
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith("LC_") && value !== undefined) result[name] = value;
  }
  return result;
}

/** The environment with what a launch adds to it. The names `ATTUNE_*` are the core's alone. */
export function withLaunchEnvironment(
  base: Readonly<Record<string, string>>,
  added: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return { ...base, ...Object.fromEntries(Object.entries(added).filter(([name]) => !name.startsWith("ATTUNE_"))) };
}

/** `http-request` and `http.request` as part of a variable's name: `HTTP_REQUEST`. */
export function variableName(key: string): string {
  return key.toUpperCase().replace(/[^A-Z0-9]/g, "_");
}
