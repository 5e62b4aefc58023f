#!/bin/sh
# printf and not echo: a message may begin with a dash or hold backslashes.
set -eu

message=${ATTUNE_ACTION_MESSAGE-Hello, World!}
if [ "${ATTUNE_ACTION_UPPERCASE:-false}" = true ]; then
  printf '%s\n' "$message" | tr '[:lower:]' '[:upper:]'
else
  printf '%s\n' "$message"
fi
