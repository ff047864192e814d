/**
 * What undici is told to send for an attempt. It reads its options to the end before `dispatch` returns, so one object and one list
 * of headers serve every attempt of this process: adding a header to a request allocates nothing. `take` gives it out, `giveBack`
 * ends its use; who comes in between (a header object with an iterator of its own may do anything) gets another one.
 */
import type { Dispatcher } from 'undici';

/** Request options as undici's doors pass them, with what Node's fetch and the mesh's own clients add. */
export type DispatchOptions = Dispatcher.DispatchOptions & {
  allowH2?: boolean;
  servername?: string;
  /** The request means nothing over HTTP/1.1; that of a gRPC request is known without. */
  needsHttp2?: boolean;
  /** Its client speaks HTTP/2: so is it sent, unless its cluster is told to speak HTTP/1.1. */
  prefersHttp2?: boolean;
  /** It carries what nobody on the way may read: it fails where it would go out in plaintext. */
  requiresTls?: boolean;
};

type Field<K extends keyof DispatchOptions> = DispatchOptions[K] | undefined;

/** The options of one attempt, filled from those of the caller. Its fields are all that undici's `Request` reads. */
export class SendOptions {
  origin: Field<'origin'> = undefined;
  path = '/';
  method: DispatchOptions['method'] = 'GET';
  body: Field<'body'> = undefined;
  query: Field<'query'> = undefined;
  idempotent: Field<'idempotent'> = undefined;
  blocking: Field<'blocking'> = undefined;
  upgrade: Field<'upgrade'> = undefined;
  headersTimeout: Field<'headersTimeout'> = undefined;
  bodyTimeout: Field<'bodyTimeout'> = undefined;
  reset: Field<'reset'> = undefined;
  expectContinue: Field<'expectContinue'> = undefined;
  servername: Field<'servername'> = undefined;
  throwOnError: unknown = undefined;
  maxRedirections: unknown = undefined;
  typeOfService: unknown = undefined;
  allowH2: Field<'allowH2'> = undefined;
  /** Name, value, name, value. */
  readonly headers: unknown[] = [];
  /** Of `headers` that are set; the list is as long when it is given out. */
  private count = 0;

  /** Fills it with what the caller wants; path and headers may be rewritten ones. */
  load(options: DispatchOptions, path: string, headers: DispatchOptions['headers']): void {
    this.origin = options.origin;
    this.path = path;
    this.method = options.method;
    this.body = options.body;
    // A rewritten path has its query in it.
    this.query = path === options.path ? options.query : undefined;
    this.idempotent = options.idempotent;
    this.blocking = options.blocking;
    this.upgrade = options.upgrade;
    this.headersTimeout = options.headersTimeout;
    this.bodyTimeout = options.bodyTimeout;
    this.reset = options.reset;
    this.expectContinue = options.expectContinue;
    this.servername = options.servername;
    this.throwOnError = (options as { throwOnError?: unknown }).throwOnError;
    this.maxRedirections = (options as { maxRedirections?: unknown }).maxRedirections;
    this.typeOfService = (options as { typeOfService?: unknown }).typeOfService;
    this.allowH2 = options.allowH2;
    this.loadHeaders(headers);
  }

  private loadHeaders(headers: DispatchOptions['headers']): void {
    let count = 0;
    const list = this.headers;
    if (Array.isArray(headers)) for (const each of headers as readonly unknown[]) list[count++] = each;
    else if (headers !== null && headers !== undefined) {
      if (Symbol.iterator in headers) {
        for (const [name, value] of headers as Iterable<[string, unknown]>) {
          list[count++] = name;
          list[count++] = value;
        }
      } else {
        for (const name in headers) {
          if (!Object.hasOwn(headers, name)) continue;
          list[count++] = name;
          list[count++] = headers[name];
        }
      }
    }
    this.count = count;
  }

  /** First value of a header, by its lower-case name. */
  header(name: string): unknown {
    const index = this.find(name, 0);
    return index === -1 ? undefined : this.headers[index + 1];
  }

  /** Gives the header this value and no other. */
  setHeader(name: string, value: string): void {
    const index = this.find(name, 0);
    if (index === -1) this.append(name, value);
    else {
      this.headers[index + 1] = value;
      for (let other = this.find(name, index + 2); other !== -1; other = this.find(name, other)) {
        this.headers.splice(other, 2);
        this.count -= 2;
      }
    }
  }

  /** Adds the header where the request has none of this name. */
  addHeader(name: string, value: string): void {
    if (this.find(name, 0) === -1) this.append(name, value);
  }

  /** Takes headers off, by their lower-case names. */
  removeHeaders(names: ReadonlySet<string>): void {
    let kept = 0;
    for (let index = 0; index < this.count; index += 2) {
      if (names.has(String(this.headers[index]).toLowerCase())) continue;
      this.headers[kept] = this.headers[index];
      this.headers[kept + 1] = this.headers[index + 1];
      kept += 2;
    }
    this.count = kept;
  }

  private append(name: string, value: string): void {
    this.headers[this.count++] = name;
    this.headers[this.count++] = value;
  }

  private find(name: string, from: number): number {
    for (let index = from; index < this.count; index += 2) {
      const other = this.headers[index];
      if (typeof other === 'string' && other.length === name.length && (other === name || other.toLowerCase() === name))
        return index;
    }
    return -1;
  }

  /** To be sent now. */
  ready(): DispatchOptions {
    // Also when it stays the same, to set it costs as much as all the rest.
    if (this.headers.length !== this.count) this.headers.length = this.count;
    return this as unknown as DispatchOptions;
  }

  /** Keeps nothing of a request alive but its headers, until the next one. */
  clear(): void {
    this.body = undefined;
    this.query = undefined;
  }
}

let spare: SendOptions | undefined = new SendOptions();

/** Options to fill. */
export function takeSendOptions(): SendOptions {
  const options = spare ?? new SendOptions();
  spare = undefined;
  return options;
}

/** They have been sent. Not called when sending threw: the next one then makes its own. */
export function giveSendOptionsBack(options: DispatchOptions): void {
  const own = options as unknown as SendOptions;
  own.clear();
  spare = own;
}
