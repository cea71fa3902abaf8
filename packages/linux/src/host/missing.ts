/** One thing that this machine lacks, in words that end in what to type. */
export interface Missing {
  readonly what: string;
  readonly why: string;
  readonly howToGet: string;
}
