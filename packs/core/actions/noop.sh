#!/bin/sh
set -eu

code=${ATTUNE_ACTION_EXIT_CODE:-0}
case $code in
  *[!0-9]* | ????*)
    printf 'exit_code is not a whole number from 0 to 255: %s\n' "$code" >&2
    exit 1
    ;;
esac
if [ "$code" -gt 255 ]; then
  printf 'exit_code is more than 255: %s\n' "$code" >&2
  exit 1
fi

if [ -n "${ATTUNE_ACTION_MESSAGE:-}" ]; then
  printf '[NOOP] %s\n' "$ATTUNE_ACTION_MESSAGE"
fi
printf 'No operation completed successfully\n'
exit "$code"
