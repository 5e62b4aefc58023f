import path from "node:path";
import type { DeclaredVariable } from "./definition.ts";

export const templateWords = ["pack_dir", "env_dir", "interpreter", "action_file", "manifest_path"] as const;
/** What the words stand for; one that stands for nothing here is left out. */
export type Words = { readonly [word in (typeof templateWords)[number]]?: string | undefined };

const wordPattern = /\{([a-z][a-z_]*)\}/g;

/** The words in braces of a template that mean nothing, to be told as a mistake; they stay as they are. */
export function unknownWords(template: string): string[] {
  const known: readonly string[] = templateWords;
  return [...template.matchAll(wordPattern)].map(([, word = ""]) => word).filter((word) => !known.includes(word));
}

/** The text with its words replaced; null when one of them stands for nothing. */
export function fill(template: string, words: Words): string | null {
  let complete = true;
  const text = template.replace(wordPattern, (stated, word: string) => {
    if (!isKnown(word)) return stated;
    const value = words[word];
    complete &&= value !== undefined;
    return value ?? "";
  });
  return complete ? text : null;
}

/** The arguments with their words replaced, without those that name a word which stands for nothing. */
export function fillAll(templates: readonly string[], words: Words): string[] {
  return templates.flatMap((template) => fill(template, words) ?? []);
}

/**
 * The variables for a child whose environment is `base` otherwise. Of a list of paths the parts that name a word which
 * stands for nothing are left out, and a variable of which nothing is left stays as it is in `base`.
 */
export function fillVariables(
  variables: readonly DeclaredVariable[],
  words: Words,
  base: Readonly<Record<string, string>>,
): Record<string, string> {
  const filled: Record<string, string> = {};
  for (const { name, value, operation, separator } of variables) {
    const parts = separator === "" ? [value] : value.split(separator);
    const text = fillAll(parts, words).join(separator);
    if (text === "" && value !== "") continue;
    const before = operation === "set" ? "" : (base[name] ?? "");
    filled[name] = (operation === "append" ? [before, text] : [text, before]).filter((part) => part !== "").join(separator);
  }
  return filled;
}

/** Where a pack's manifest lies. */
export function manifestPath(packDir: string, manifest: string | null): string | undefined {
  return manifest === null ? undefined : path.join(packDir, manifest);
}

function isKnown(word: string): word is keyof Words {
  return (templateWords as readonly string[]).includes(word);
}
