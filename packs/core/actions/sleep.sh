#!/bin/sh
set -eu

seconds=${ATTUNE_ACTION_SECONDS:-1}
case $seconds in
  *[!0-9]* | ?????*)
    printf 'seconds is not a whole number from 0 to 3600: %s\n' "$seconds" >&2
    exit 1
    ;;
esac
if [ "$seconds" -gt 3600 ]; then
  printf 'seconds is more than 3600: %s\n' "$seconds" >&2
  exit 1
fi

if [ -n "${ATTUNE_ACTION_MESSAGE:-}" ]; then
  printf '%s\n' "$ATTUNE_ACTION_MESSAGE"
fi
sleep "$seconds"
printf 'Slept for %s seconds\n' "$seconds"
