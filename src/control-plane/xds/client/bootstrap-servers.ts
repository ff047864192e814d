import type { BootstrapReader } from './bootstrap-reader.ts';
import type { JwtCallCredentials, XdsCredentials, XdsServer } from './credentials.ts';

/** Server features that are honoured. Sources: gRFC A30, A53, A83, A88. */
const honouredFeatures: ReadonlySet<string> = new Set([
  'xds_v3',
  'fail_on_data_errors',
  'ignore_resource_deletion',
  'resource_timer_is_transient_error',
]);

/** `xds_servers` of a bootstrap. */
export function readServers(root: BootstrapReader): readonly XdsServer[] {
  const list = root.objects('xds_servers') ?? [];
  if (list.length === 0) root.problem('xds_servers', 'names no server');
  return list.flatMap((server) => readServer(server) ?? []);
}

function readServer(server: BootstrapReader): XdsServer | undefined {
  const uri = server.text('server_uri');
  const address = uri === undefined ? undefined : addressFrom(uri);
  if (uri === undefined) server.problem('server_uri', 'is missing');
  else if (address === undefined)
    server.problem('server_uri', `${JSON.stringify(uri)} is none of host:port, dns:///host:port, ipv4:…, ipv6:… and unix:/path`);
  const features = new Set(server.texts('server_features'));
  const unknown = [...features].filter((feature) => !honouredFeatures.has(feature));
  if (unknown.length > 0) server.ignore('server_features', `without effect: ${unknown.join(', ')}`);
  const token = readToken(server);
  const credentials = readCredentials(server, token);
  server.done();
  return address === undefined || credentials === undefined ? undefined : { address, credentials, features };
}

/** The first kind of credentials that is known: the list is in order of preference (gRFC A27). */
function readCredentials(server: BootstrapReader, token: JwtCallCredentials | undefined): XdsCredentials | undefined {
  const list = server.objects('channel_creds') ?? [];
  const kinds: string[] = [];
  for (const entry of list) {
    const kind = entry.text('type') ?? '';
    kinds.push(kind);
    if (kind === 'insecure') {
      if (token === undefined) return { kind: 'plaintext' };
      server.problem('call_creds', 'a token is never sent without TLS: set channel_creds to tls');
      return undefined;
    }
    if (kind === 'tls') return readTls(entry, token);
  }
  server.problem(
    'channel_creds',
    kinds.length === 0 ? 'is missing: insecure or tls' : `knows only insecure and tls, not ${kinds.join(', ')}`,
  );
  return undefined;
}

/** Source: gRFC A65. */
function readTls(entry: BootstrapReader, token: JwtCallCredentials | undefined): XdsCredentials {
  const config = entry.object('config');
  const rootsFile = config?.text('ca_certificate_file');
  const certificateFile = config?.text('certificate_file');
  const privateKeyFile = config?.text('private_key_file');
  config?.ignore('refresh_interval', 'files are read for each connection');
  if ((certificateFile === undefined) !== (privateKeyFile === undefined))
    config?.problem('private_key_file', 'goes with certificate_file: both, or none');
  config?.done();
  entry.done();
  return {
    kind: 'tls',
    ...(rootsFile !== undefined && { roots: { file: rootsFile } }),
    ...(certificateFile !== undefined && privateKeyFile !== undefined && { identity: { certificateFile, privateKeyFile } }),
    ...(token !== undefined && { callCredentials: token }),
  };
}

/** Source: gRFC A97. */
function readToken(server: BootstrapReader): JwtCallCredentials | undefined {
  let token: JwtCallCredentials | undefined;
  for (const entry of server.objects('call_creds') ?? []) {
    const kind = entry.text('type');
    const file = entry.object('config')?.text('jwt_token_file');
    entry.done();
    if (kind !== 'jwt_token_file') entry.ignore('type', `only jwt_token_file is known, not ${kind ?? 'nothing'}`);
    else if (file === undefined) entry.problem('config.jwt_token_file', 'is missing');
    else token ??= { kind: 'jwt', file };
  }
  return token;
}

/** Targets of gRPC (https://grpc.github.io/grpc/core/md_doc_naming.html) as `host:port`, `[address]:port` or `unix:/path`. */
function addressFrom(uri: string): string | undefined {
  if (uri.startsWith('unix:')) return `unix:${uri.slice('unix:'.length).replace(/^\/\/(?=\/)/, '')}`;
  const rest = /^(?:dns:(?:\/\/[^/]*\/)?|ipv4:|ipv6:)?(.+)$/.exec(uri)?.[1] ?? '';
  return /^(?:\[[\da-fA-F:.]+\]|[^:/\s[\]]+):\d{1,5}$/.test(rest) ? rest : undefined;
}
