import type { Template } from "./template.ts";

export const python: Template = {
  runtime: "python",
  ending: ".py",
  result: "json",
  greet: `#!/usr/bin/env python3
"""Reads its parameters as one JSON object from standard input and prints its result as one."""

import json
import sys


def main() -> None:
    parameters = json.load(sys.stdin)
    print(json.dumps({"greeting": f"Hello, {parameters['name']}!"}))


if __name__ == "__main__":
    main()
`,
  clock: (pack) => `#!/usr/bin/env python3
"""Prints each event as a line of JSON. Everything on standard error is the sensor's log."""

import itertools
import json
import os
import time


def main() -> None:
    seconds = float(os.environ["ATTUNE_SENSOR_SECONDS"])
    for number in itertools.count(1):
        event = {"trigger_ref": "${pack}.beat", "payload": {"number": number}}
        print(json.dumps(event), flush=True)
        time.sleep(seconds)


if __name__ == "__main__":
    main()
`,
};
