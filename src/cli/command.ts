/** Where a command writes; `process` in a terminal, a buffer in a test. */
export interface CommandIo {
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean; hasColors?(): boolean };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
}
