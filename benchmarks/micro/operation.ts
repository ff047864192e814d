/** A piece of work that can be repeated. */
export interface Operation {
  /** Does it so often. The loop is inside, so that V8 sees the call site that a program would have. */
  run(count: number): void | Promise<void>;
}

/** One row of the table: what is measured, in a process of its own. */
export interface MicroRow {
  readonly name: string;
  create(): Operation | Promise<Operation>;
}

/** What a file with rows exports. Rows are made by the process that measures them, which loads no other file. */
export interface MicroModule {
  readonly rows: readonly MicroRow[];
}

/** Takes results, so that V8 cannot leave out the work that made them. */
export const sink: { value: unknown } = { value: undefined };

/** The row of a function that is called again and again. */
export function call(name: string, prepare: () => (() => unknown) | Promise<() => unknown>): MicroRow {
  return {
    name,
    async create() {
      const operation = await prepare();
      return {
        run(count) {
          for (let index = 0; index < count; index++) sink.value = operation();
        },
      };
    },
  };
}
