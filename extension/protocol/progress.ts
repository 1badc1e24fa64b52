/** One step of a long run: a line of `--progress json`, a notification of the engine, the status line of a page. */
export interface Progress {
  /** What is being done, in words that a user reads ("layer 5: shuffling tokens"). */
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  readonly etaSeconds: number | null;
}

export type ReportProgress = (progress: Progress) => void;
