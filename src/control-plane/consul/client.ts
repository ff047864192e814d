/**
 * Consul's HTTP API, as far as discovery needs it. Two pools: plain queries hold the process alive, because somebody waits for the
 * answer; blocking queries do not, so that a program that is done ends although its mesh is still watching.
 */
import { buildConnector, Pool } from 'undici';
import { MeshError } from '../../base/errors.ts';
import type { ConsulSettings } from './options.ts';
import { readCapped, shortText } from './response-body.ts';

/** One question about the instances of a service. */
export interface HealthQuery {
  readonly service: string;
  readonly datacenter?: string | undefined;
  readonly tags: readonly string[];
  /** 0 = answer at once; else answer when something changed since. */
  readonly index: bigint;
  /** Longest wait of a blocking query. */
  readonly waitMs: number;
}

/** The answer, with what its headers say about how far to trust it. */
export interface HealthAnswer {
  /** X-Consul-Index. */
  readonly index: bigint;
  readonly body: unknown;
  /** False when the servers have no leader: the answer may be old. */
  readonly knownLeader: boolean;
  /** True when the token may not see some of the instances. */
  readonly filteredByAcl: boolean;
  /** What ACLs do where no rule applies: `allow`, `deny`, or undefined when the agent does not say. */
  readonly defaultPolicy: string | undefined;
}

/**
 * The questions that discovery asks of one agent. Every answer is bounded in size; an aborted question rejects with the signal's
 * reason.
 */
export interface ConsulClient {
  /** Rejects with a MeshError `MESH_CONTROL_PLANE` whose message has Consul's words and the remedy. */
  health(query: HealthQuery, signal: AbortSignal): Promise<HealthAnswer>;
  /** Asks for the address of the leader, which needs no token: `''` while there is none. */
  leader(signal: AbortSignal): Promise<string>;
  close(): Promise<void>;
}

/** Largest answer: about 10 000 instances with their checks. */
const maxAnswerBytes = 16 * 1024 * 1024;
/** An agent that does not begin to answer a plain query in this time is treated as gone. */
const answerTimeoutMs = 10_000;

/** Makes the client; connects on the first query. */
export function createConsulClient(settings: ConsulSettings): ConsulClient {
  const { key, ...tlsRest } = settings.tls ?? {};
  const tls = {
    ...tlsRest,
    ...(key !== undefined && { key: key.reveal() }),
    timeout: 5000,
    // Said here, so that neither NODE_TLS_REJECT_UNAUTHORIZED nor an option of Node takes anything away: the token goes over this.
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2' as const,
  };
  const plain = new Pool(settings.origin, {
    connections: 16,
    connect: tls,
    bodyTimeout: 30_000,
    headersTimeout: answerTimeoutMs,
  });
  const blocking = new Pool(settings.origin, {
    connections: settings.maxConnections,
    connect: unrefConnector(tls),
    bodyTimeout: 30_000,
  });

  async function get(path: string, waitMs: number, signal: AbortSignal): Promise<RawAnswer> {
    const token = await settings.token();
    let response;
    try {
      response = await (waitMs > 0 ? blocking : plain).request({
        method: 'GET',
        path,
        signal,
        // Consul adds up to a sixteenth to the wait, so that clients spread.
        headersTimeout: waitMs + waitMs / 16 + answerTimeoutMs,
        headers: { accept: 'application/json', ...(token !== undefined && { 'x-consul-token': token.reveal() }) },
      });
    } catch (error) {
      if (signal.aborted) throw error;
      throw unreachable(settings.origin, error);
    }
    const { statusCode, headers } = response;
    const ok = statusCode === 200;
    const { text, whole } = await readCapped(response.body, ok ? maxAnswerBytes : 2048, (error) =>
      signal.aborted ? error : unreachable(settings.origin, error),
    );
    const header = (name: string): string | undefined => {
      const found = headers[name];
      return Array.isArray(found) ? found[0] : found;
    };
    if (!ok) throw refused(settings, path, statusCode, text, header('retry-after'));
    if (!whole) throw failure(`its answer to ${pathOf(path)} is larger than 16 MiB; ask for fewer instances with \`tags\``);
    return { text, header };
  }

  const failure = (reason: string): MeshError => new MeshError('MESH_CONTROL_PLANE', `Consul at ${settings.origin}: ${reason}`);

  function parse(path: string, text: string): unknown {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      throw failure(`its answer to ${pathOf(path)} is not JSON ("${shortText(text)}"); is this address Consul's HTTP API?`);
    }
  }

  return {
    async health(query, signal) {
      const path = healthPath(query);
      const { text, header } = await get(path, query.index > 0n ? query.waitMs : 0, signal);
      const index = header('x-consul-index');
      if (index === undefined || !/^\d{1,20}$/.test(index)) {
        throw failure(`its answer to ${pathOf(path)} has no X-Consul-Index; is there a proxy in front that drops headers?`);
      }
      return {
        index: BigInt(index),
        body: parse(path, text),
        // The streaming backend always answers "false" (seen with 1.22): only the other one knows.
        knownLeader: header('x-consul-knownleader') !== 'false' || header('x-consul-query-backend') === 'streaming',
        filteredByAcl: header('x-consul-results-filtered-by-acls') === 'true',
        defaultPolicy: header('x-consul-default-acl-policy'),
      };
    },
    async leader(signal) {
      const path = '/v1/status/leader';
      const answer = parse(path, (await get(path, 0, signal)).text);
      if (typeof answer !== 'string') throw failure(`its answer to ${path} is no address; is this address Consul's HTTP API?`);
      return answer;
    },
    async close() {
      await Promise.all([plain.destroy(), blocking.destroy()]);
    },
  };
}

interface RawAnswer {
  readonly text: string;
  readonly header: (name: string) => string | undefined;
}

function healthPath({ service, datacenter, tags, index, waitMs }: HealthQuery): string {
  const query = new URLSearchParams();
  if (datacenter !== undefined) query.set('dc', datacenter);
  for (const tag of tags) query.append('tag', tag);
  if (index > 0n) {
    query.set('index', String(index));
    query.set('wait', `${waitMs}ms`);
  }
  const text = query.toString();
  return `/v1/health/service/${encodeURIComponent(service)}${text === '' ? '' : `?${text}`}`;
}

function pathOf(path: string): string {
  return path.split('?', 1)[0] ?? path;
}

/** undici sets `ref` on a socket that has a request; a watch must not. */
function unrefConnector(options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = buildConnector(options);
  return (target, callback) => {
    connect(target, (...result) => {
      const [error, socket] = result;
      if (error !== null) callback(error, null);
      else {
        socket.unref();
        socket.ref = () => socket;
        callback(null, socket);
      }
    });
  };
}

function unreachable(origin: string, cause: unknown): MeshError {
  const { code, message } = cause as { code?: unknown; message?: unknown };
  const reason = typeof message === 'string' && message !== '' ? message : String(code ?? cause);
  const remedy = isTlsCode(String(code))
    ? 'check `tls` (caFile, serverName), and that the port is the one for https'
    : origin.startsWith('https:') && (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET')
      ? 'if the agent asks clients for a certificate (verify_incoming), give tls.certificateFile'
      : 'is the agent running, and is the address right?';
  return new MeshError('MESH_CONTROL_PLANE', `Consul at ${origin} cannot be reached (${reason}); ${remedy}`, { cause });
}

/** Codes of OpenSSL's verification and of Node's own check of the name. */
function isTlsCode(code: string): boolean {
  return /^(ERR_TLS|ERR_SSL|EPROTO|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_)/.test(code);
}

/** What an answer other than 200 means. The wait that it asks for is in `details.retryAfter`, as sent. */
function refused(
  settings: ConsulSettings,
  path: string,
  status: number,
  body: string,
  retryAfter: string | undefined,
): MeshError {
  const words = shortText(body);
  const said = `Consul at ${settings.origin} answered ${status}${words === '' ? '' : ` "${words}"`} to ${pathOf(path)}`;
  return new MeshError('MESH_CONTROL_PLANE', `${said}; ${remedyFor(status, body, settings.hasToken)}`, {
    details: { status, ...(retryAfter !== undefined && { retryAfter }) },
  });
}

/** What a token needs to see instances. Source: Consul documentation, health API, "ACL required: node:read,service:read". */
export const aclRemedy = 'it needs a policy with service:read on the service and node:read on its nodes';

function remedyFor(status: number, body: string, hasToken: boolean): string {
  if (status === 401 || status === 403) {
    return hasToken
      ? `check that the token exists and is of this cluster; ${aclRemedy}`
      : `give a token (tokenFile, CONSUL_HTTP_TOKEN); ${aclRemedy}`;
  }
  if (status === 429) return 'the agent limits requests; see `limits` in its configuration, or share one mesh per process';
  if (/no cluster leader/i.test(body))
    return 'the servers have no leader: wait for the election, or look at `consul operator raft list-peers`';
  if (/no path to datacenter/i.test(body)) return 'no such datacenter is joined; compare with `consul catalog datacenters`';
  if (status >= 500) return "look at the agent's log";
  return "is this address Consul's HTTP API?";
}
