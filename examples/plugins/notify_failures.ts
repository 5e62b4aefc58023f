import { definePlugin } from "attune";

// Posts each execution that failed, as JSON, to a URL: the incoming webhook of a chat, a pager, a collector.
// It comes from the daemon's environment, since such URLs tend to be secret.
const url = process.env["FAILURES_URL"];
const failures = new Set(["failed", "timeout", "abandoned"]);

export default definePlugin({
  kind: "hooks",
  name: "notify_failures",
  api: 1,
  setup({ log }) {
    if (url === undefined) log.warn("FAILURES_URL is not set: nobody is told of failures");
  },
  hooks: {
    async "execution:state"(change) {
      if (url === undefined || !failures.has(change.to)) return;
      const response = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ text: `${change.action} ${change.to}: ${change.error ?? "no reason given"}`, execution: change }),
        // Less than the 5 s a hook has, so that the log says it was the server.
        signal: AbortSignal.timeout(4_000),
      });
      // What is thrown is logged with the plugin's name; the execution is not touched by it.
      if (!response.ok) throw new Error(`${new URL(url).host} answered ${response.status}`);
    },
  },
});
