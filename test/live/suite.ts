/** What a suite against a real control plane or proxy brings. */
export interface LiveSuite {
  readonly name: string;
  /** Test files, relative to `test/live`. */
  readonly files: readonly string[];
  /** Gets the real part ready, building it when it is missing. `log` takes progress lines. */
  prepare(log: (line: string) => void): Promise<Prepared>;
}

/** The environment for the tests, or why they cannot run here. */
export type Prepared = { readonly environment: Readonly<Record<string, string>> } | { readonly skip: string };
