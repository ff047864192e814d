import { parseArgs } from 'node:util';
import type { Explanation } from '../admin/explain.ts';
import { destinationLines, policyLines } from './explain-lines.ts';
import { holdingProcess, sleep, systemClock } from '../base/runtime.ts';
import { createMesh } from '../mesh.ts';
import type { Mesh } from '../mesh-interface.ts';
import type { CommandIo } from './command.ts';

const help = `Usage: meshfetch explain URL [--config FILE|URL] [--method GET] [--header "name: value"]… [--json]

Says which route, cluster, endpoints and policy a request would meet, and why. The request is not sent. What the control
plane or DNS has to say to it is waited for, 5 s at most. Exit status 0: a route or a service answers it, 1: the mesh itself
does, with an error or a fault, 2: it cannot be explained.
--config is a mesh.yaml or the URL of a control plane; default mesh.yaml.
`;

/** `meshfetch explain`. */
export async function explainCommand(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      config: { type: 'string', default: 'mesh.yaml' },
      method: { type: 'string', default: 'GET' },
      header: { type: 'string', multiple: true },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const [url] = positionals;
  if (values.help || url === undefined) {
    (values.help ? io.stdout : io.stderr).write(help);
    return values.help ? 0 : 2;
  }
  const written = values.header ?? [];
  const noHeader = written.find((header) => !/^[\w!#$%&'*+.^`|~-]+\s*:/.test(header));
  if (noHeader !== undefined) {
    io.stderr.write(`meshfetch explain: ${JSON.stringify(noHeader)} is no header; write --header "name: value"\n`);
    return 2;
  }
  const headers = Object.fromEntries(
    written.map((header) => {
      const colon = header.indexOf(':');
      return [header.slice(0, colon).trim().toLowerCase(), header.slice(colon + 1).trim()];
    }),
  );
  if (!isHttpUrl(url)) {
    io.stderr.write(`meshfetch explain: ${JSON.stringify(url)} ${whatToWrite(url)}\n`);
    return 2;
  }
  await using mesh = await createMesh({ controlPlane: values.config });
  const explanation = await finalExplanation(mesh, url, { method: values.method, headers });
  io.stdout.write(values.json ? `${JSON.stringify(explanation)}\n` : render(`${values.method} ${url}`, explanation));
  return isServed(explanation) ? 0 : 1;
}

/** Whether a request like this gets an answer that a route or a service gives. */
function isServed({ answer, abort, refusal, destinations }: Explanation): boolean {
  if (refusal !== undefined) return false;
  if (answer !== undefined) return !isCertain(abort);
  return destinations.some(
    ({ found, awaited, status, fails, abort: own }) =>
      !isCertain(own) && (status !== undefined || (found && awaited === undefined && fails === undefined)),
  );
}

function isCertain(abort: Explanation['abort']): boolean {
  return abort !== undefined && abort.percent >= 100;
}

const answersWithinMs = 5000;
const askAgainMs = 25;

/** Asks again until control planes and DNS have answered, or the time is over. */
async function finalExplanation(mesh: Mesh, url: string, init: Parameters<Mesh['explain']>[1]): Promise<Explanation> {
  const endMs = systemClock.now() + answersWithinMs;
  for (;;) {
    const explanation = mesh.explain(url, init);
    if (!explanation.pending || systemClock.now() >= endMs) return explanation;
    await holdingProcess(sleep(systemClock, askAgainMs));
  }
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^(?:https?|wss?):$/.test(new URL(text).protocol);
}

/** What is wrong with what is no URL of HTTP. */
function whatToWrite(url: string): string {
  const target = /^mesh:(?:\/\/[^/]*\/)?\/*([^/]*)/.exec(url);
  if (target === null) return 'is no URL; write it out, as in http://orders/api';
  const call = `http://${target[1] === '' ? 'orders' : target[1]}/package.Service/Method --method POST`;
  return `is a target of gRPC; a call is ${call} --header "content-type: application/grpc"`;
}

function render(request: string, explanation: Explanation): string {
  const lines = [request];
  const say = (label: string, text: string): void => void lines.push(`  ${label.padEnd(12)}  ${text}`);
  if (explanation.virtualHost !== undefined)
    say('virtual host', `${explanation.virtualHost} (from ${explanation.source}, version ${explanation.configVersion})`);
  for (const { name, matched, failed } of explanation.routes)
    say('route', `${matched ? '✓' : '✗'} ${name}${failed === undefined ? '' : `: ${failed}`}`);
  for (const [label, text] of policyLines(explanation)) say(label, text);
  for (const destination of explanation.destinations)
    for (const [label, text] of destinationLines(destination, explanation.hash)) say(label, text);
  lines.push(`  ${explanation.verdict}`);
  return `${lines.join('\n')}\n`;
}
