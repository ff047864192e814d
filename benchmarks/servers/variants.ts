/**
 * The servers that are compared: each application alone, behind the way in of a mesh as its framework puts it there, and on a port that
 * the mesh serves; in plaintext and over mutual TLS.
 */
import { readFileSync } from 'node:fs';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer as createHttp2, createSecureServer as createSecureHttp2 } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import type { IdentityFiles } from '../load/origins.ts';
import { applications } from './applications.ts';
import { guardedMesh } from './guarded-mesh.ts';
import type { LoadArguments } from './load-process.ts';

/** What stands before the application. */
type Guard = 'none' | 'integration' | 'listen, bridge' | 'listen, native';

export interface ServerVariant {
  readonly name: string;
  /** The same without the mesh. */
  readonly bare: string;
  readonly application: string;
  readonly guard: Guard;
  readonly isTls: boolean;
  readonly protocol: LoadArguments['protocol'];
}

/** Longer than the other processes of a set ever take for their turns. */
const keepAliveMs = 1_800_000;

function variantsOf(application: string, guards: Readonly<Record<string, Guard>>): ServerVariant[] {
  return ['', ', mTLS'].flatMap((transport) =>
    Object.entries(guards).map(([suffix, guard]) => ({
      name: suffix === ' again' ? `${application}${transport} again` : `${application}${suffix}${transport}`,
      bare: `${application}${transport}`,
      application,
      guard,
      isTls: transport !== '',
      protocol: protocols[application] ?? 'http/1.1',
    })),
  );
}

const protocols: Readonly<Record<string, LoadArguments['protocol']>> = { 'node:http2': 'h2', 'grpc-js': 'grpc' };

const byListen: Readonly<Record<string, Guard>> = {
  ' by mesh.listen, native': 'listen, native',
  ' by mesh.listen, bridge': 'listen, bridge',
};
/** After the application's name. */
const guards: Readonly<Record<string, Readonly<Record<string, Guard>>>> = {
  'node:http2': { '': 'none', ' again': 'none', ' + mesh': 'integration', ...byListen },
  'grpc-js': { '': 'none', ' again': 'none', ...byListen },
};
const ofHttp1: Readonly<Record<string, Guard>> = {
  '': 'none',
  ' again': 'none',
  ' + mesh': 'integration',
  ' by mesh.listen': 'listen, bridge',
};

const list: readonly ServerVariant[] = Object.keys(applications).flatMap((application) =>
  variantsOf(application, guards[application] ?? ofHttp1),
);

/** By name. */
export const serverVariants: ReadonlyMap<string, ServerVariant> = new Map(list.map((variant) => [variant.name, variant]));

/** Names of the variants of an application. */
export function variantsFor(application: string): readonly string[] {
  return list.filter((variant) => variant.application === application).map(({ name }) => name);
}

/** Serves a variant on 127.0.0.1; resolves with its port. `tls` is what it shows where it speaks TLS. */
export async function serve({ application, guard, isTls, protocol }: ServerVariant, tls: IdentityFiles): Promise<number> {
  if (protocol === 'grpc' && guard === 'none') {
    const { bindGrpc, grpcService } = await import('./grpc-service.ts');
    return bindGrpc(grpcService(), isTls ? tls : undefined);
  }
  const mesh = guard === 'none' ? undefined : await guardedMesh(isTls ? tls : undefined);
  const listener = await applications[application]!(guard === 'integration' ? mesh : undefined);
  if (guard === 'listen, bridge' || guard === 'listen, native') {
    const http2 = guard === 'listen, native' ? 'native' : 'bridge';
    return (await mesh!.listen(listener, { port: 0, host: '127.0.0.1', http2, limits: { keepAliveTimeoutMs: keepAliveMs } }))
      .port;
  }
  const server = ownServer(listener, protocol, isTls ? tls : undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** A server as a program has it that owns its port. */
function ownServer(listener: RequestListener, protocol: ServerVariant['protocol'], tls: IdentityFiles | undefined): Server {
  const secure = tls && {
    key: readFileSync(tls.privateKey),
    cert: readFileSync(tls.certificate),
    ca: readFileSync(tls.trustBundle),
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3' as const,
  };
  if (protocol === 'h2')
    return secure === undefined ? createHttp2(listener as never) : createSecureHttp2(secure, listener as never);
  const options = { keepAliveTimeout: keepAliveMs };
  return secure === undefined ? createHttp(options, listener) : createHttps({ ...options, ...secure }, listener);
}
