/**
 * Label value for names beyond the cap. Source: the reserved `_OTHER` of the semantic conventions, in lower case because it stands
 * among host names.
 */
export const otherName = '_other';

/**
 * Keeps a metric label from growing without end: the first `limit` distinct names are themselves, all later ones are `_other`.
 * Names are never forgotten, since a series that changed its label would count twice.
 */
export class BoundedNames {
  private readonly names = new Set<string>();
  private readonly limit: number;
  constructor(limit: number) {
    this.limit = limit;
  }

  /** As `label`, and each port of the name counts as one more: `host:port` are two labels whose pairs must be bounded. */
  labelWithPort(name: string, port: number): string {
    return this.label(`${name}:${port}`) === otherName ? otherName : name;
  }

  has(name: string): boolean {
    return this.names.has(name);
  }

  label(name: string): string {
    if (this.names.has(name)) return name;
    if (this.names.size >= this.limit) return otherName;
    this.names.add(name);
    return name;
  }
}
