#!/bin/sh
# An action that states no parameter_delivery finds its parameters in the environment.
set -eu

printf '%s is %s %% full\n' "$ATTUNE_ACTION_PATH" "$ATTUNE_ACTION_USED_PERCENT"
