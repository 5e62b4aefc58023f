/**
 * Writes one or more whole lines to stdout. Resolves when the pipe has taken them, so awaiting it is the back-pressure;
 * rejects when the reader has gone.
 */
export function writeLines(lines: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // A write to a closed pipe is also announced as an event, and one without a listener would end the process before
    // the rejection is handled. Not at load time: opening the stream costs milliseconds that many scripts need not pay.
    if (process.stdout.listenerCount("error") === 0) process.stdout.on("error", () => {});
    process.stdout.write(lines, (error) => (error ? reject(error) : resolve()));
  });
}

/** One line on stderr, which the daemon keeps as the log of the sensor or execution. */
export function logLine(message: string): void {
  process.stderr.write(`${message}\n`);
}
