#!/usr/bin/env bun
import { runAction } from "attune";

interface Load {
  one_minute: number;
  fifteen_minutes: number;
}

await runAction<Load>(({ one_minute, fifteen_minutes }, { rule }) => {
  const difference = one_minute - fifteen_minutes;
  const verdict = Math.abs(difference) < 0.1 ? "steady" : difference > 0 ? "rising" : "falling";
  return { verdict, asked_by: rule };
});
