/** How far an installation is. Bytes; `total` is null where nobody says how much there is. */
export type Progress =
  | { readonly phase: "download"; readonly from: string; readonly bytes: number; readonly total: number | null }
  | { readonly phase: "git"; readonly from: string; readonly bytes: number }
  | { readonly phase: "unpack"; readonly files: number; readonly bytes: number }
  | { readonly phase: "check"; readonly pack: string };

/** What every step of an installation works with. */
export interface Work {
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}
