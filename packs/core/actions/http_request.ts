#!/usr/bin/env bun
import { ActionFailure, runAction } from "attune";
import { sendRequest } from "../lib/http-client.ts";
import { buildRequest, withoutCredentials } from "../lib/http-request.ts";

await runAction(async (parameters) => {
  const started = performance.now();
  const elapsed = () => Math.round(performance.now() - started);
  try {
    return { ...(await sendRequest(buildRequest(parameters))), elapsed_ms: elapsed() };
  } catch (error) {
    throw new ActionFailure(error instanceof Error ? error.message : String(error), {
      status_code: 0,
      headers: {},
      body: "",
      json: null,
      elapsed_ms: elapsed(),
      url: withoutCredentials(parameters["url"]),
    });
  }
});
