import { parseArgs } from 'node:util';
import type { Explanation } from '../admin/explain.ts';
import { createMesh } from '../mesh.ts';
import type { CommandIo } from './command.ts';

const help = `Usage: meshfetch explain URL [--config FILE|URL] [--method GET] [--header "name: value"]… [--json]

Says which route, cluster, endpoints and policy a request would meet, and why. Nothing is sent.
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
  const headers = Object.fromEntries(
    (values.header ?? []).map((header) => {
      const colon = header.indexOf(':');
      return colon === -1
        ? [header.trim().toLowerCase(), '']
        : [header.slice(0, colon).trim().toLowerCase(), header.slice(colon + 1).trim()];
    }),
  );
  await using mesh = await createMesh({ controlPlane: values.config });
  await mesh.ready();
  const explanation = mesh.explain(url, { method: values.method, headers });
  io.stdout.write(values.json ? `${JSON.stringify(explanation)}\n` : render(`${values.method} ${url}`, explanation));
  return explanation.destinations.some(({ found }) => found) ? 0 : 1;
}

function render(request: string, explanation: Explanation): string {
  const lines = [request];
  if (explanation.virtualHost !== undefined)
    lines.push(`  virtual host  ${explanation.virtualHost} (from ${explanation.source}, version ${explanation.configVersion})`);
  for (const { name, matched } of explanation.routes) lines.push(`  route         ${matched ? '✓' : '✗'} ${name}`);
  if (explanation.timeoutMs !== undefined)
    lines.push(`  timeout       ${explanation.timeoutMs === 0 ? 'none' : `${explanation.timeoutMs} ms`}`);
  if (explanation.retry !== undefined)
    lines.push(`  retry         up to ${explanation.retry.maxAttempts} attempts on ${explanation.retry.on.join(', ')}`);
  for (const { cluster, subset, percent, endpoints } of explanation.destinations) {
    lines.push(`  destination   ${percent.toFixed(0)} % → ${cluster}${subset === undefined ? '' : `/${subset}`}`);
    for (const { address, state, weight, zone } of endpoints)
      lines.push(`                  ${address}  ${state}  weight ${weight}${zone === undefined ? '' : `  zone ${zone}`}`);
  }
  lines.push(`  ${explanation.verdict}`);
  return `${lines.join('\n')}\n`;
}
