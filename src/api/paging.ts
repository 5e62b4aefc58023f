import { AttuneError } from "../core/errors.ts";

export interface Page {
  /** Counts from 1. */
  readonly page: number;
  readonly size: number;
}
/** One page of rows. `total` is null when there are more than were worth counting. */
export interface Slice<T> {
  readonly items: readonly T[];
  readonly total: number | null;
  readonly hasNext: boolean;
}

const defaultSize = 50;
const maxSize = 100;
/** Keeps OFFSET within what a database should be asked to skip. */
const maxPage = 10_000;

/** `page` and `page_size` (also `per_page`, `limit`); sizes over 100 mean 100. Throws USAGE. */
export function readPage(query: (name: string) => string | undefined): Page {
  const size = positive("page_size", query("page_size") ?? query("per_page") ?? query("limit"), defaultSize);
  const page = positive("page", query("page"), 1);
  if (page > maxPage) throw new AttuneError("USAGE", `page must be at most ${maxPage}`, { hint: "narrow the list with filters" });
  return { page, size: Math.min(size, maxSize) };
}

/** Cuts one page out of a list that is held whole. */
export function slice<T>(all: readonly T[], { page, size }: Page): Slice<T> {
  const start = (page - 1) * size;
  return { items: all.slice(start, start + size), total: all.length, hasNext: start + size < all.length };
}

/** The list envelope. `data` repeats `items` because clients of both generations are in use. */
export function listEnvelope<T>(found: Slice<T>, { page, size }: Page) {
  return {
    items: found.items,
    data: found.items,
    pagination: {
      page,
      page_size: size,
      total_items: found.total,
      total_pages: found.total === null ? null : Math.ceil(found.total / size),
      has_previous: page > 1,
      has_next: found.hasNext,
    },
  };
}

function positive(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (!/^\d{1,9}$/.test(text) || Number(text) < 1) throw new AttuneError("USAGE", `${name} must be a whole number from 1`);
  return Number(text);
}
