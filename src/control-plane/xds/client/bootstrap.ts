/**
 * The bootstrap of gRPC's xDS clients, so that a process that is set up for them needs nothing else: servers with their credentials,
 * the node, certificate providers. Sources: gRFC A27 (format), A29 (certificate providers), A36 (listener templates), A65 (`tls`), A71
 * (several servers), A88 (server features), A97 (`jwt_token_file`). A mistake makes it unusable; what has no effect here is listed.
 */
import { readFileSync } from 'node:fs';
import { MeshError } from '../../../base/errors.ts';
import { BootstrapReader, type BootstrapFindings, type BootstrapProblem } from './bootstrap-reader.ts';
import { readServers } from './bootstrap-servers.ts';
import type { XdsServer } from './credentials.ts';
import type { NodeConfig } from './node.ts';

/** A source of certificates that TLS contexts name (`certificate_provider_instance`): files that are watched. */
export interface CertificateProviderConfig {
  readonly name: string;
  readonly certificateFile?: string;
  readonly privateKeyFile?: string;
  readonly rootsFile?: string;
  /** Trust domains with their roots, in the format of SPIFFE. Source: gRFC A87. */
  readonly spiffeBundleMapFile?: string;
}

/** What a bootstrap says. */
export interface Bootstrap {
  /** At least one; in the order in which they are tried. */
  readonly servers: readonly XdsServer[];
  readonly node: NodeConfig;
  readonly certificateProviders: readonly CertificateProviderConfig[];
  /** Name of the listener of a service, with `%s` for its authority. */
  readonly clientListenerTemplate?: string;
  /** Name of the listener of an address that is listened on, with `%s` for it. */
  readonly serverListenerTemplate?: string;
  /** What has no effect here, by path. */
  readonly unhonoured: readonly BootstrapProblem[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The bootstrap that the environment names: the file of GRPC_XDS_BOOTSTRAP, else the JSON of GRPC_XDS_BOOTSTRAP_CONFIG (gRFC A27).
 * Read at once, since it is for set-up. Throws a MeshError where there is none, or it cannot be used.
 */
export function bootstrapFromEnvironment(environment: Environment): Bootstrap {
  const { GRPC_XDS_BOOTSTRAP: file, GRPC_XDS_BOOTSTRAP_CONFIG: json } = environment;
  if (file) return bootstrapFromFile(file);
  if (json) return bootstrapFromJson(json, 'GRPC_XDS_BOOTSTRAP_CONFIG');
  throw new MeshError(
    'MESH_CONFIG_INVALID',
    'no xDS server is named: give `servers`, or set GRPC_XDS_BOOTSTRAP to a bootstrap file',
  );
}

/** The bootstrap in a file. */
function bootstrapFromFile(file: string): Bootstrap {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new MeshError('MESH_CONFIG_UNREADABLE', `the bootstrap file ${file} cannot be read`, { cause });
  }
  return bootstrapFromJson(text, file);
}

/** The bootstrap in a text. `source` names it in the error. */
export function bootstrapFromJson(text: string, source: string): Bootstrap {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Without the error of the parser as its cause, which quotes the text.
    throw new MeshError('MESH_CONFIG_INVALID', `the bootstrap ${source} is no JSON`);
  }
  return readBootstrap(value, source);
}

/** A bootstrap that was parsed. Throws a MeshError that lists every mistake by its path. */
export function readBootstrap(value: unknown, source = 'object'): Bootstrap {
  const findings: BootstrapFindings = { problems: [], unhonoured: [] };
  const root = BootstrapReader.of(value, '', findings);
  const servers = root === undefined ? [] : readServers(root);
  const node = root === undefined ? { id: '' } : readNode(root);
  const certificateProviders = root === undefined ? [] : readProviders(root);
  const clientListenerTemplate = root?.text('client_default_listener_resource_name_template');
  const serverListenerTemplate = root?.text('server_listener_resource_name_template');
  root?.ignore('authorities', 'federation (xdstp) is not carried out: resources come from xds_servers only');
  root?.done();
  if (findings.problems.length > 0) {
    const list = findings.problems.map(({ path, reason }) => `\n  ${path}: ${reason}`).join('');
    throw new MeshError('MESH_CONFIG_INVALID', `the xDS bootstrap ${source} has mistakes:${list}`, {
      details: { problems: findings.problems },
    });
  }
  return {
    servers,
    node,
    certificateProviders,
    ...(clientListenerTemplate !== undefined && { clientListenerTemplate }),
    ...(serverListenerTemplate !== undefined && { serverListenerTemplate }),
    unhonoured: findings.unhonoured,
  };
}

function readNode(root: BootstrapReader): NodeConfig {
  const node = root.object('node');
  if (node === undefined) return { id: '' };
  const id = node.text('id') ?? '';
  const cluster = node.text('cluster');
  const metadata = node.struct('metadata');
  const place = node.object('locality');
  const region = place?.text('region');
  const zone = place?.text('zone');
  const subZone = place?.text('sub_zone');
  place?.done();
  node.done();
  const locality = {
    ...(region !== undefined && { region }),
    ...(zone !== undefined && { zone }),
    ...(subZone !== undefined && { subZone }),
  };
  return {
    id,
    ...(cluster !== undefined && { cluster }),
    ...(metadata !== undefined && { metadata }),
    ...(place !== undefined && { locality }),
  };
}

function readProviders(root: BootstrapReader): readonly CertificateProviderConfig[] {
  const providers = root.object('certificate_providers')?.entries() ?? [];
  return providers.flatMap(([name, provider]) => {
    const plugin = provider.text('plugin_name');
    const config = provider.object('config');
    provider.done();
    if (plugin !== 'file_watcher' || config === undefined) {
      provider.problem('plugin_name', 'only file_watcher, with a config, is known');
      return [];
    }
    const certificateFile = config.text('certificate_file');
    const privateKeyFile = config.text('private_key_file');
    const rootsFile = config.text('ca_certificate_file');
    const spiffeBundleMapFile = config.text('spiffe_trust_bundle_map_file');
    config.ignore('refresh_interval', 'files are watched: a change is seen at once');
    config.done();
    if ((certificateFile === undefined) !== (privateKeyFile === undefined))
      config.problem('private_key_file', 'goes with certificate_file: both, or none');
    if (certificateFile === undefined && rootsFile === undefined && spiffeBundleMapFile === undefined)
      config.problem('ca_certificate_file', 'names neither a certificate nor roots');
    return [
      {
        name,
        ...(certificateFile !== undefined && { certificateFile }),
        ...(privateKeyFile !== undefined && { privateKeyFile }),
        ...(rootsFile !== undefined && { rootsFile }),
        ...(spiffeBundleMapFile !== undefined && { spiffeBundleMapFile }),
      },
    ];
  });
}
