import { suggestion } from '../../../base/nearest-name.ts';
import type { StructValue } from './node.ts';

/** Something in a bootstrap, by its path. */
export interface BootstrapProblem {
  readonly path: string;
  readonly reason: string;
}

/** What reading found: mistakes make it unusable, the rest has no effect. */
export interface BootstrapFindings {
  readonly problems: BootstrapProblem[];
  readonly unhonoured: BootstrapProblem[];
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads the fields of one object of a bootstrap. What is wrong is noted by its path, and reads as if it were absent. */
export class BootstrapReader {
  readonly path: string;
  private readonly fields: Fields;
  private readonly findings: BootstrapFindings;
  private readonly known = new Set<string>();

  constructor(fields: Fields, path: string, findings: BootstrapFindings) {
    this.fields = fields;
    this.path = path;
    this.findings = findings;
  }

  /** A reader of any value: undefined, with a problem, where it is no object. */
  static of(value: unknown, path: string, findings: BootstrapFindings): BootstrapReader | undefined {
    if (isObject(value)) return new BootstrapReader(value, path, findings);
    findings.problems.push({ path: path === '' ? '(root)' : path, reason: `an object is expected, not ${kindOf(value)}` });
    return undefined;
  }

  has(name: string): boolean {
    return this.fields[name] !== undefined && this.fields[name] !== null;
  }

  text(name: string): string | undefined {
    return this.take(name, 'a text that is not empty', (value) =>
      typeof value === 'string' && value !== '' ? value : undefined,
    );
  }

  texts(name: string): readonly string[] {
    const list = this.take(name, 'a list of texts', (value) =>
      Array.isArray(value) && value.every((element) => typeof element === 'string') ? value : undefined,
    );
    return list ?? [];
  }

  object(name: string): BootstrapReader | undefined {
    const value = this.take(name, 'an object', (found) => (isObject(found) ? found : undefined));
    return value && new BootstrapReader(value, this.at(name), this.findings);
  }

  struct(name: string): Readonly<Record<string, StructValue>> | undefined {
    return this.take(name, 'an object', (found) => (isObject(found) ? (found as Record<string, StructValue>) : undefined));
  }

  /** The objects of a list; undefined = there is none. */
  objects(name: string): readonly BootstrapReader[] | undefined {
    const list = this.take(name, 'a list of objects', (value) => (Array.isArray(value) ? (value as unknown[]) : undefined));
    return list?.flatMap((element, index) => BootstrapReader.of(element, `${this.at(name)}[${index}]`, this.findings) ?? []);
  }

  /** The objects of a map, by name. */
  entries(): readonly (readonly [string, BootstrapReader])[] {
    return Object.entries(this.fields).flatMap(([name, value]) => {
      this.known.add(name);
      const reader = BootstrapReader.of(value, this.at(name), this.findings);
      return reader === undefined ? [] : [[name, reader] as const];
    });
  }

  problem(name: string, reason: string): void {
    this.findings.problems.push({ path: this.at(name), reason });
  }

  /** Notes that the field is known and has no effect. */
  ignore(name: string, reason: string): void {
    this.known.add(name);
    if (this.has(name)) this.findings.unhonoured.push({ path: this.at(name), reason });
  }

  /** Reports what nobody asked for. Called last. */
  done(): void {
    for (const name of Object.keys(this.fields))
      if (!this.known.has(name))
        this.findings.unhonoured.push({
          path: this.at(name),
          reason: `no field of this name: ${suggestion(name, [...this.known])}`,
        });
  }

  private take<T>(name: string, expected: string, read: (value: unknown) => T | undefined): T | undefined {
    this.known.add(name);
    if (!this.has(name)) return undefined;
    const value = read(this.fields[name]);
    if (value === undefined) this.problem(name, `${expected} is expected, not ${kindOf(this.fields[name])}`);
    return value;
  }

  private at(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (value === '') return 'an empty text';
  return typeof value === 'object' ? 'an object' : `${typeof value} ${JSON.stringify(value)}`;
}
