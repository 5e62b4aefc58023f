#!/bin/sh
# Prints one event as a line of JSON, waits, and starts again. Everything on stderr is the sensor's log.
set -u

path=${ATTUNE_SENSOR_PATH:-/}
json_path=$(printf '%s' "$path" | sed 's/[\\"]/\\&/g')

while :; do
  # The second line of df: device, size, used, free, percentage, mount point.
  if usage=$(df -Pk -- "$path" | awk 'NR == 2 { sub("%", "", $5); printf "\"used_percent\":%d,\"free_kib\":%d", $5, $4 }'); then
    printf '{"trigger_ref":"disk_watch.usage","path":"%s",%s}\n' "$json_path" "$usage"
  fi
  sleep "${ATTUNE_SENSOR_SECONDS:-10}"
done
