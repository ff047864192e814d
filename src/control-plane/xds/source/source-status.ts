/** What `mesh.status()` says of the source: how the stream is doing, what of the last words was refused, what is stale. */
import type { ConfigSink, ControlPlaneStatus, Problem } from '../../../model/contracts.ts';

const maxSpeltOut = 3;

/** Puts the status together and passes it on when it says something new. */
export class SourceStatus {
  private readonly sink: ConfigSink;
  private stream: ControlPlaneStatus = { state: 'connecting' };
  private stale: string | undefined = undefined;
  private restored: string | undefined = undefined;
  private refused: readonly Problem[] = [];
  private unapplied: readonly Problem[] = [];
  /** What is wrong besides, by what it is about. */
  private readonly notes = new Map<string, Problem>();
  private last = '';
  private isGuarding = true;

  constructor(sink: ConfigSink) {
    this.sink = sink;
  }

  /** How the stream is doing. */
  setStream(status: ControlPlaneStatus): void {
    this.stream = status;
    this.report();
  }

  setStale(stale: string | undefined): void {
    this.stale = stale;
    this.report();
  }

  /** What the disk has is there for whoever asks; of interest until the server is. */
  setRestored(restored: string | undefined): void {
    if (restored === this.restored) return;
    this.restored = restored;
    this.report();
  }

  /** All that is refused now. */
  setRefused(problems: readonly Problem[]): void {
    this.refused = problems;
    this.report();
  }

  /** What was taken from the server, and could not be put in force. */
  setUnapplied(problems: readonly Problem[]): void {
    if (problems.length === 0 && this.unapplied.length === 0) return;
    this.unapplied = problems;
    this.report();
  }

  /** Something that is wrong and is no resource that was refused; undefined = it is over. */
  note(about: string, problem: Problem | undefined): void {
    if (problem === undefined) this.notes.delete(about);
    else this.notes.set(about, problem);
    this.report();
  }

  /** Whether what may come in is its business is another thing now: whoever asks for that looks when there is a status. */
  setGuarding(isGuarding: boolean): void {
    if (isGuarding === this.isGuarding) return;
    this.isGuarding = isGuarding;
    this.sink.status(this.status());
  }

  /** Tells once, as an event, that an update was refused; its problems are those that are set. */
  tell(version: string, reason: string, problems: readonly Problem[]): void {
    this.sink.status({ ...this.status(), refused: { version, reason }, problems });
    this.sink.status(this.status());
  }

  private report(): void {
    const status = this.status();
    const text = JSON.stringify(status);
    if (text === this.last) return;
    this.last = text;
    this.sink.status(status);
  }

  private status(): ControlPlaneStatus {
    const errors = [...(this.stream.error === undefined ? [] : [this.stream.error]), ...this.refusals()];
    const stale = this.stale ?? (this.stream.state === 'connected' ? undefined : this.restored);
    const problems = [...(this.stream.problems ?? []), ...this.notes.values()];
    return {
      state: this.stream.state,
      ...(errors.length > 0 && { error: errors.join('; ') }),
      ...(problems.length > 0 && { problems }),
      ...(stale !== undefined && { stale }),
      ...(this.stream.server !== undefined && { server: this.stream.server }),
    };
  }

  private refusals(): readonly string[] {
    return [
      ...(this.refused.length > 0 ? [`refused, and the last good version kept where there is one: ${listOf(this.refused)}`] : []),
      ...(this.unapplied.length > 0 ? [`could not be put in force: ${listOf(this.unapplied)}`] : []),
    ];
  }
}

function listOf(problems: readonly Problem[]): string {
  const words = problems.slice(0, maxSpeltOut).map(wordsOf);
  const more = problems.length > maxSpeltOut ? ` and ${problems.length - maxSpeltOut} more` : '';
  return `${words.join('; ')}${more}`;
}

/** A problem as a sentence. */
function wordsOf({ key, path, reason }: Problem): string {
  return `${key.kind} ${JSON.stringify(key.name)}${path === '' ? '' : ` ${path}`}: ${reason}`;
}
