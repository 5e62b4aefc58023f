#!/usr/bin/env python3
"""Reads its parameters as one JSON object from stdin and prints its result as one."""

import json
import sys


def main() -> None:
    parameters = json.load(sys.stdin)
    visits = parameters.get("visits", 1)
    again = "" if visits == 1 else f" again, for the {visits}. time"
    json.dump({"greeting": f"Hello {parameters['name']}{again}!"}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
