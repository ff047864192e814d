/** What the keys of `inbound` must agree on with each other and with the rest of the file. */
import { isHostName } from './address.ts';
import { shown, type FilePath, type FileProblem } from './file-problem.ts';
import type { InboundFile, MeshFile } from './schema.ts';
import { hasInboundIdentity, inboundItems } from './translate-inbound.ts';

/** Checks `inbound`, which has no mistakes of its own; `services` are the names of all services. */
export function* inboundProblems(file: MeshFile, services: ReadonlySet<string>): Generator<FileProblem> {
  const ports = new Map<number | undefined, FilePath>();
  for (const { file: inbound, path } of inboundItems(file)) {
    const { port } = inbound;
    if (ports.has(port)) {
      const reason =
        port === undefined
          ? 'another item has no port either, and which of them would hold? give this one its `port`'
          : `another item is for port ${port} too; keep one of them`;
      yield { path: port === undefined ? path : [...path, 'port'], reason };
    }
    ports.set(port, path);
    yield* identityProblems(file, inbound, path);
    yield* ruleProblems(inbound, path);
    yield* serviceProblems(inbound, path, services);
    yield* providerProblems(inbound, path);
  }
}

function* identityProblems(file: MeshFile, inbound: InboundFile, path: FilePath): Generator<FileProblem> {
  if (inbound.mode !== 'strict' || hasInboundIdentity(inbound, file)) return;
  const other = 'name an identity of another source by `inbound.identity`, or use `permissive` or `disabled`';
  const reason =
    file.identity?.certificate === undefined
      ? `\`strict\` needs a certificate to show and roots to verify those of peers with; add \`identity: { certificate, privateKey, trustBundle }\`, ${other}`
      : `\`strict\` needs roots that the certificates of peers must end in; add \`trustBundle\` to \`identity\`, ${other}`;
  yield { path: [...path, 'mode'], reason };
}

function* ruleProblems({ authorization = [], externalAuthorizers = {} }: InboundFile, path: FilePath): Generator<FileProblem> {
  const names = new Map<string, number>();
  for (const [index, { name, authorizer }] of authorization.entries()) {
    const at = [...path, 'authorization', index];
    if (names.has(name))
      yield {
        path: [...at, 'name'],
        reason: `authorization[${names.get(name)}] has this name too; a refusal could not be told apart`,
      };
    else names.set(name, index);
    if (authorizer !== undefined && !Object.hasOwn(externalAuthorizers, authorizer)) {
      const known = Object.keys(externalAuthorizers).map(shown).join(', ');
      const there = known === '' ? 'there is none yet' : `there is ${known}`;
      yield {
        path: [...at, 'authorizer'],
        reason: `found ${shown(authorizer)}; expected a key of \`inbound.externalAuthorizers\` (${there})`,
      };
    }
  }
}

function* serviceProblems(inbound: InboundFile, path: FilePath, services: ReadonlySet<string>): Generator<FileProblem> {
  const named: (readonly [FilePath, string])[] = [];
  for (const [name, { service }] of Object.entries(inbound.externalAuthorizers ?? {}))
    named.push([['externalAuthorizers', name, 'service'], service]);
  for (const [index, { jwksService }] of (inbound.jwt?.providers ?? []).entries())
    if (jwksService !== undefined) named.push([['jwt', 'providers', index, 'jwksService'], jwksService]);
  for (const [at, service] of named) {
    if (services.has(service) && isHostName(service)) continue;
    yield {
      path: [...path, ...at],
      reason: `found ${shown(service)}; expected the name of a service of this file; add it to \`services\``,
    };
  }
}

function* providerProblems({ jwt }: InboundFile, path: FilePath): Generator<FileProblem> {
  const names = new Set<string>();
  for (const [index, { issuer, name = issuer }] of (jwt?.providers ?? []).entries()) {
    const at = [...path, 'jwt', 'providers', index];
    if (names.has(name))
      yield { path: at, reason: `another provider has the name ${shown(name)} too; give this one a \`name\` of its own` };
    names.add(name);
  }
}
