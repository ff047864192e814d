/** `meshfetch certs`: a development CA in a folder, and certificates of workloads under it. */
import { parseArgs } from 'node:util';

import { systemClock } from '../base/runtime.ts';
import { spiffeIdProblem } from '../security/spiffe-id.ts';
import { CertificateFolder, CertsProblem, type MadeCertificate } from './certificate-folder.ts';
import type { CommandIo } from './command.ts';

const help = `Usage: meshfetch certs NAME… [options]

Makes a development CA (once; it is used again next time) and a certificate with its
key for each workload NAME, with the SPIFFE ID spiffe://TRUST_DOMAIN/NAME.
Not for production: the key of the CA lies in the folder, and nothing can be revoked.

Options
  --out DIR             folder to write to (default: certs)
  --trust-domain NAME   SPIFFE trust domain (default: that of the CA there is, else example.org)
  --dns NAME            a further DNS name for each certificate, besides NAME and localhost; may be repeated
  --days N              days until the certificates expire (default: 90; never later than the CA)
  --force               replace certificates that are there; the CA is never replaced
  --json                print what was made as one JSON object
  --help                print this

Example
  meshfetch certs web orders --trust-domain example.org
`;

const options = {
  out: { type: 'string', default: 'certs' },
  'trust-domain': { type: 'string' },
  dns: { type: 'string', multiple: true },
  days: { type: 'string', default: '90' },
  force: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Runs `meshfetch certs`. Resolves to the exit status: 0 made, 1 not made, 2 wrong usage. */
export async function certs(args: readonly string[], io: CommandIo): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    return usageError(io, (error as Error).message);
  }
  const { values, positionals: names } = parsed;
  if (values.help) {
    io.stdout.write(help);
    return 0;
  }
  const mistake = usageMistake(values, names);
  if (mistake !== undefined) return usageError(io, mistake);
  try {
    const folder = await CertificateFolder.open(values.out, values['trust-domain'], systemClock.wallNow());
    const made = await folder.issue(names, { days: Number(values.days), dnsNames: values.dns ?? [], replace: values.force });
    io.stdout.write(values.json ? `${JSON.stringify(jsonOf(folder, made), undefined, 2)}\n` : textOf(folder, made));
    return 0;
  } catch (error) {
    if (!(error instanceof CertsProblem)) throw error;
    io.stderr.write(`meshfetch certs: ${error.message}\n`);
    return 1;
  }
}

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options, allowPositionals: true });
}

/** Names become file names and the last part of a SPIFFE ID. */
const workloadName = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const dnsName = /^(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;

function usageMistake(values: ReturnType<typeof parse>['values'], names: readonly string[]): string | undefined {
  if (names.length === 0) return 'name at least one workload, as in `meshfetch certs web orders`';
  for (const [index, name] of names.entries()) {
    if (name.toLowerCase() === 'ca') return 'the name "ca" is taken by the CA';
    if (names.indexOf(name) !== index) return `"${name}" is named twice`;
    if (!workloadName.test(name)) return `${JSON.stringify(name)} is no workload name: letters, digits, ".", "-" and "_" only`;
  }
  const domain = values['trust-domain'];
  const domainProblem = domain === undefined ? undefined : spiffeIdProblem(`spiffe://${domain}`);
  if (domain?.includes('/')) return '--trust-domain is a name such as example.org, without spiffe:// and path';
  if (domainProblem !== undefined) return `--trust-domain: ${domainProblem}`;
  const wrongDns = values.dns?.find((name) => !dnsName.test(name));
  if (wrongDns !== undefined) return `--dns: ${JSON.stringify(wrongDns)} is no DNS name`;
  if (!/^[1-9]\d{0,3}$/.test(values.days)) return '--days is a whole number from 1 to 9999';
  return undefined;
}

function usageError(io: CommandIo, message: string): number {
  io.stderr.write(`meshfetch certs: ${message}\nTry \`meshfetch certs --help\`.\n`);
  return 2;
}

function jsonOf(folder: CertificateFolder, made: readonly MadeCertificate[]): object {
  return {
    ca: {
      certificate: folder.authorityCertificate,
      privateKey: folder.authorityKey,
      created: folder.isNew,
      trustDomain: folder.trustDomain,
    },
    certificates: made,
  };
}

function textOf(folder: CertificateFolder, made: readonly MadeCertificate[]): string {
  const { trustDomain, authorityCertificate, authorityKey } = folder;
  const authority = folder.isNew
    ? `Made a development CA for ${trustDomain}: ${authorityCertificate}, ${authorityKey} (keep the key to yourself)`
    : `Used the development CA for ${trustDomain} that was there: ${authorityCertificate}`;
  const lines = made.map(
    ({ certificate, privateKey, spiffeId, dnsNames, notAfter }) =>
      `  ${certificate}  ${privateKey}\n    ${spiffeId}, DNS ${dnsNames.join(', ')}, until ${notAfter}`,
  );
  const [first] = made;
  const peer = made.at(-1)!;
  return `${authority}
Made ${made.length === 1 ? 'a certificate' : `${made.length} certificates`}:
${lines.join('\n')}

In the mesh.yaml of ${first!.name}:
  identity: { certificate: ${yamlText(first!.certificate)}, privateKey: ${yamlText(first!.privateKey)}, trustBundle: ${yamlText(authorityCertificate)} }
and for each service that is to be called over mutual TLS:
  tls: { mode: mutual, peers: ["${peer.spiffeId}"] }

This is a development CA: use it on your machine and in tests, not in production.
`;
}

function yamlText(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : JSON.stringify(text);
}
