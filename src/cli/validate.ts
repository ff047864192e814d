import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { isMeshError, MeshError } from '../base/errors.ts';
import { loadPatternEngine } from '../base/pattern.ts';
import { systemClock } from '../base/runtime.ts';
import { readConfigFile } from '../control-plane/file/client.ts';
import { checkIdentityFiles, parseMeshFile, translateMeshFile } from '../control-plane/file/index.ts';
import { inboundItems } from '../control-plane/file/translate-inbound.ts';
import type { CommandIo } from './command.ts';
import { examineResources } from './examine-resources.ts';
import { reportText, type ReportStyle, type ResourceReport } from './field-report.ts';
import { fileContent, type FileContent } from './file-kind.ts';
import { DestinationRules } from './istio/destinations.ts';
import { examineIstio } from './istio/examine-istio.ts';

const help = `Usage: meshfetch validate [FILE…] [--json] [--all] [--no-identity]

Checks files without starting anything. What a file is, is told by its content:

  mesh.yaml (default)   its mistakes; what is written and has no effect, or another one than it seems to have, is a warning;
                        the PEM files of its identity are opened
  resources of Envoy    a bootstrap, single resources, a /config_dump, or what istioctl proxy-config … -o json prints
  resources of Istio    VirtualService, DestinationRule, AuthorizationPolicy and the others, also several in one file

Of resources each field is reported: carried out, without effect (and why), or refused: because Envoy or Istio refuses it (a field or
word that it does not have, a value of another type), or because requests fail of it. Subsets that routes name are looked up in the
DestinationRules of all files. A warning is about what is carried out and may not be meant.
Exit status 0: all are good, 1: one has mistakes or nothing to check, 2: one cannot be read.

  --json          one line of JSON for each file
  --all           lists the fields that are carried out too
  --no-identity   leaves the PEM files alone, for a machine that does not have them
`;

/** What was found in one file. */
interface Report {
  readonly status: 0 | 1 | 2;
  /** As JSON, beside the name of the file. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** `meshfetch validate`. */
export async function validate(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: 'boolean' },
      all: { type: 'boolean' },
      'no-identity': { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    io.stdout.write(help);
    return 0;
  }
  const style = { all: values.all === true, colours: io.stdout.isTTY === true && io.stdout.hasColors?.() === true };
  const files: ReadFile[] = [];
  for (const file of positionals.length === 0 ? ['mesh.yaml'] : positionals) files.push(await readOf(file));
  // Routes of one file may lead to subsets of another.
  const rules = new DestinationRules(
    files.flatMap(({ content }) => (content instanceof MeshError || content.kind !== 'istio' ? [] : content.resources)),
  );
  let worst = 0;
  for (const each of files) {
    const { status, facts, text } = await report(each, rules, values['no-identity'] !== true, style);
    if (values.json) io.stdout.write(`${JSON.stringify({ file: each.file, ok: status === 0, ...facts })}\n`);
    else if (status === 2) io.stderr.write(`meshfetch validate: ${text}\n`);
    else io.stdout.write(`${text}\n`);
    worst = Math.max(worst, status);
  }
  return worst;
}

/** Dumps of a proxy are larger than what is written by hand. */
const maxResourceBytes = 64 * 1_048_576;

interface ReadFile {
  readonly file: string;
  /** Or why it cannot be read. */
  readonly content: FileContent | MeshError;
}

async function readOf(file: string): Promise<ReadFile> {
  try {
    return { file, content: fileContent((await readConfigFile(file, maxResourceBytes)).text) };
  } catch (error) {
    if (!isMeshError(error)) throw error;
    return { file, content: error };
  }
}

async function report(
  { file, content }: ReadFile,
  rules: DestinationRules,
  opensIdentity: boolean,
  style: ReportStyle,
): Promise<Report> {
  if (content instanceof MeshError) return errorReport(content);
  switch (content.kind) {
    case 'mesh':
      try {
        return await meshReport(file, opensIdentity);
      } catch (error) {
        if (!isMeshError(error)) throw error;
        return errorReport(error);
      }
    case 'broken':
      return mistake(file, '', content.reason);
    case 'istio':
      await loadPatternEngine();
      return resourcesReport(
        file,
        'Istio',
        content.resources.map((resource) => examineIstio(resource, rules)),
        style,
      );
    default:
      return resourcesReport(file, 'Envoy', await examineResources(content.resources), style);
  }
}

function errorReport({ message, code, details }: MeshError): Report {
  return {
    status: code === 'MESH_CONFIG_UNREADABLE' ? 2 : 1,
    facts: { error: message, problems: details['problems'] ?? [] },
    text: message,
  };
}

function mistake(file: string, path: string, reason: string): Report {
  return { status: 1, facts: { error: reason, problems: [{ path, reason }] }, text: `${file} has a mistake:\n  ${reason}` };
}

function resourcesReport(file: string, what: string, resources: readonly ResourceReport[], style: ReportStyle): Report {
  if (resources.length === 0) return mistake(file, '', nothingInIt(what));
  const listed = resources.map(({ carriedOut, ...rest }) => ({
    ...rest,
    carriedOut: style.all ? carriedOut : carriedOut.length,
  }));
  return {
    status: resources.some(({ refused }) => refused.length > 0) ? 1 : 0,
    facts: { kind: what.toLowerCase(), resources: listed },
    text: reportText(file, what, resources, style),
  };
}

function nothingInIt(what: string): string {
  return `there is no resource of ${what} in it, so that nothing was checked; a list that istioctl proxy-config prints is empty when the proxy has none of the kind`;
}

async function meshReport(file: string, opensIdentity: boolean): Promise<Report> {
  const { text } = await readConfigFile(file);
  const parsed = await parseMeshFile(text, file);
  const { identity } = parsed;
  const { error, warning } =
    identity === undefined || !opensIdentity ? {} : await checkIdentityFiles(identity, dirname(file), systemClock);
  if (error !== undefined) return mistake(file, 'identity', error);
  const services = Object.keys(parsed.services);
  const ports = inboundItems(parsed).map(({ file: { port } }) => (port === undefined ? 'every port' : `port ${port}`));
  const named = services.length === 0 ? '' : `: ${services.join(', ')}`;
  const inbound = ports.length === 0 ? '' : `; inbound at ${ports.join(', ')}`;
  const warnings = translateMeshFile(parsed).unhonoured.map(({ path, reason }) => ({ path, reason }));
  return {
    status: 0,
    facts: {
      services,
      ...(ports.length > 0 && { inbound: ports }),
      ...(warning !== undefined && { warning }),
      ...(warnings.length > 0 && { warnings }),
    },
    text: [
      `${file}: good, ${services.length} service${services.length === 1 ? '' : 's'}${named}${inbound}`,
      ...(warning === undefined ? [] : [`  ${warning}`]),
      ...warnings.map(({ path, reason }) => `  warning: ${path}: ${reason}`),
    ].join('\n'),
  };
}
