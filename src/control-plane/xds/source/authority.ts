/** An authority that is asked for; the host is in lower case. */
export interface Authority {
  readonly host: string;
  readonly port: number;
}

/** What is known of an authority. */
export type Answer =
  | { readonly kind: 'served' }
  | { readonly kind: 'awaited'; readonly what: string }
  | { readonly kind: 'absent'; readonly reason: string };

/** The host as a request may name it: without the port where that is the default of its scheme, which an authority does not say. */
export function sentForms({ host, port }: Authority): readonly string[] {
  return port === 80 || port === 443 ? [host, `${host}:${port}`] : [`${host}:${port}`];
}

/** A host, or the text of a domain, without the port after it. */
export function withoutPort(text: string): string {
  return text.replace(/:\d+$/, '');
}
