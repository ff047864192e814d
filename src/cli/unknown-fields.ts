/** Fields that Envoy does not have: it refuses a resource with one of them, where a mesh that is delivered it goes on without. */
import { nearestName } from '../base/nearest-name.ts';
import { messageTypeAt, messageTypeOf, type FieldType, type MessageType } from '../control-plane/xds/wire/message-types.ts';
import { pathStep, type FieldFinding } from './field-report.ts';

/** By the names that a report has for them. */
const roots: Readonly<Record<string, string>> = {
  RouteConfiguration: 'envoy.config.route.v3.RouteConfiguration',
  Cluster: 'envoy.config.cluster.v3.Cluster',
  ClusterLoadAssignment: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  Listener: 'envoy.config.listener.v3.Listener',
  Secret: 'envoy.extensions.transport_sockets.tls.v3.Secret',
  TypedExtensionConfig: 'envoy.config.core.v3.TypedExtensionConfig',
};

/** What the fields of a resource are to Envoy. */
export interface KnownFields {
  /** Those that it does not have. */
  readonly unknown: readonly FieldFinding[];
  /** Paths of those that it has. What stands in an extension that is not known here is in neither. */
  readonly known: ReadonlySet<string>;
}

/** Looks at all fields of a resource, in both spellings. */
export function knownFields(type: string, resource: unknown): KnownFields {
  const found = { unknown: [] as FieldFinding[], known: new Set<string>() };
  const root = Object.hasOwn(roots, type) ? messageTypeOf(roots[type]!) : undefined;
  if (root !== undefined) visit(resource, root, '', found);
  if (type === 'Bootstrap') visitBootstrap(resource, found);
  return found;
}

/** Of a bootstrap, which is not in the table, only the lists of resources are looked at: what they have are resources themselves. */
function visitBootstrap(bootstrap: unknown, found: Found): void {
  const fields = typeof bootstrap === 'object' && bootstrap !== null ? (bootstrap as Readonly<Record<string, unknown>>) : {};
  const name = 'static_resources' in fields ? 'static_resources' : 'staticResources';
  for (const key of Object.keys(fields[name] ?? {})) {
    if (['listeners', 'clusters', 'secrets'].includes(key)) continue;
    // A list of this name is taken here, for tests of routes.
    if (key === 'route_configs' || key === 'routeConfigs') continue;
    const near = nearestName(key, ['listeners', 'clusters', 'secrets']);
    const suggested = near === undefined ? '' : `; did you mean ${near}?`;
    const reason = `Envoy has no such field in ${name}, and refuses the bootstrap${suggested}`;
    found.unknown.push({ path: `${name}${pathStep(key)}`, reason });
  }
}

interface Found {
  readonly unknown: FieldFinding[];
  readonly known: Set<string>;
}

function visit(value: unknown, type: MessageType, path: string, found: Found): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === '@type') continue;
    const at = `${path}${pathStep(key)}`.replace(/^\./, '');
    const field = type.byName.get(key) ?? type.fields.find(({ name }) => camelCased(name) === key);
    if (field === undefined) found.unknown.push({ path: at, reason: unknownReason(key, type) });
    else {
      found.known.add(at);
      visitField(inner, field, at, found);
    }
  }
}

function visitField(value: unknown, field: FieldType, path: string, found: Found): void {
  if (field.code !== 'm' && field.code !== 'A') return;
  for (const [part, at] of partsOf(value, field, path)) {
    const type = field.code === 'm' ? messageTypeAt(field.line) : typeOfAny(part);
    if (type !== undefined) visit(part, type, at, found);
  }
}

function partsOf(value: unknown, field: FieldType, path: string): readonly (readonly [part: unknown, path: string])[] {
  if (field.isList) return Array.isArray(value) ? value.map((part: unknown, index) => [part, `${path}[${index}]`] as const) : [];
  if (!field.isMap) return [[value, path]];
  return Object.entries(value ?? {}).map(([key, part]) => [part as unknown, `${path}${pathStep(key)}`] as const);
}

/** What an `Any` says that it holds; undefined for an extension that is not in the table, and for what JSON puts under `value`. */
function typeOfAny(value: unknown): MessageType | undefined {
  const url = typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)['@type'] : undefined;
  return typeof url === 'string' ? messageTypeOf(url.slice(url.lastIndexOf('/') + 1)) : undefined;
}

function unknownReason(key: string, type: MessageType): string {
  const near = nearestName(
    key,
    type.fields.map(({ name }) => name),
  );
  const suggested = near === undefined ? '' : `; did you mean ${/[A-Z]/.test(key) ? camelCased(near) : near}?`;
  return `Envoy has no such field in ${type.name.slice(type.name.lastIndexOf('.v3.') + 4)}, and refuses the resource${suggested}`;
}

/** The other spelling that JSON has for a field. */
function camelCased(name: string): string {
  return name.replaceAll(/_(\w)/g, (_match, letter: string) => letter.toUpperCase());
}
