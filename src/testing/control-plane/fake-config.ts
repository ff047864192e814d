/** What a fake control plane holds, in the words of mesh.yaml or of the model, and what of it is due to whom. */
import { checkMeshObject } from '../../control-plane/file/parse-mesh-file.ts';
import { translateMeshFile, type MeshFileInput } from '../../control-plane/file/index.ts';
import type { Demand } from '../../model/contracts.ts';
import type { RouteTableConfig } from '../../model/route.ts';
import type { Resource, ResourceKey } from '../../model/snapshot.ts';
import { createVirtualHostTable } from '../../data-plane/routing/virtual-hosts.ts';

/** Services and ways in as mesh.yaml has them, or resources of the model. */
export type FakeConfig = Pick<MeshFileInput, 'services' | 'defaults' | 'inbound'> | readonly Resource[];

/** What is held. Each change makes another one. */
export interface HeldConfig {
  readonly file: Exclude<FakeConfig, readonly unknown[]>;
  readonly resources: readonly Resource[];
}

/** Nothing. */
export const emptyConfig: HeldConfig = { file: {}, resources: [] };

/** With `config` in it: a service, or a resource of the same kind and name, is replaced as a whole. */
export function withConfig({ file, resources }: HeldConfig, config: FakeConfig): HeldConfig {
  if (isResources(config)) return { file, resources: [...withoutKeys(resources, config), ...config] };
  return { file: { ...file, ...config, services: { ...file.services, ...config.services } }, resources };
}

/** Without what is named: services by their name, resources by kind and name. */
export function withoutConfig({ file, resources }: HeldConfig, names: readonly (string | ResourceKey)[]): HeldConfig {
  const gone = new Set(names.filter((name) => typeof name === 'string'));
  const services = Object.fromEntries(Object.entries(file.services ?? {}).filter(([name]) => !gone.has(name)));
  return {
    file: { ...file, services },
    resources: withoutKeys(
      resources,
      names.filter((name) => typeof name !== 'string'),
    ),
  };
}

/** Its resources. Rejects with MESH_CONFIG_INVALID and every mistake, as a file does. */
export async function resourcesOf({ file, resources }: HeldConfig, hasIdentity: boolean): Promise<readonly Resource[]> {
  if (Object.keys(file).length === 0) return resources;
  // Only that there is one counts; the material itself goes another way.
  const identity = { certificate: 'fake', privateKey: 'fake', trustBundle: 'fake' };
  const checked = await checkMeshObject({ ...file, ...(hasIdentity && { identity }) }, 'fakeControlPlane()');
  return [...translateMeshFile(checked).resources, ...resources];
}

/** Whether there is a way in among it. */
export function hasInbound(config: FakeConfig | undefined): boolean {
  if (config === undefined) return false;
  if (isResources(config)) return config.some(({ kind, value }) => kind === 'listener' && value.direction === 'inbound');
  return config.inbound !== undefined;
}

/** What is delivered to a mesh that has asked for these things: their virtual hosts, clusters and endpoints, and every way in. */
export function demanded(resources: readonly Resource[], wants: readonly Demand[]): readonly Resource[] {
  const clusters = new Set(wants.flatMap((want) => (want.kind === 'cluster' ? [want.name] : [])));
  const authorities = wants.filter((want) => want.kind === 'authority');
  const narrowed = (table: RouteTableConfig): RouteTableConfig => ({
    ...table,
    virtualHosts: virtualHostsFor(table, authorities),
  });
  return resources
    .map((resource): Resource | undefined => {
      if (resource.kind === 'route-table') return { ...resource, value: narrowed(resource.value) };
      if (resource.kind === 'cluster' || resource.kind === 'endpoints') return clusters.has(resource.name) ? resource : undefined;
      const { value } = resource;
      if (value.direction === 'inbound' || typeof value.routes === 'string') return resource;
      return { ...resource, value: { ...value, routes: narrowed(value.routes) } };
    })
    .filter((resource) => resource !== undefined);
}

/** Whether there is what was asked for. */
export function isHeld(resources: readonly Resource[], want: Demand): boolean {
  return demanded(resources, [want]).some(({ kind, name, value }) => {
    if (want.kind === 'cluster') return (kind === 'cluster' || kind === 'endpoints') && name === want.name;
    const table = kind === 'listener' && 'routes' in value && typeof value.routes === 'object' ? value.routes : value;
    return 'virtualHosts' in table && table.virtualHosts.length > 0;
  });
}

function virtualHostsFor({ virtualHosts }: RouteTableConfig, wants: readonly (Demand & { kind: 'authority' })[]) {
  const table = createVirtualHostTable(virtualHosts.map((value) => ({ domains: value.domains, value })));
  const found = new Set(wants.map(({ host, port }) => table.find(host, port)));
  return virtualHosts.filter((host) => found.has(host));
}

function withoutKeys(resources: readonly Resource[], keys: readonly ResourceKey[]): readonly Resource[] {
  return resources.filter((resource) => !keys.some(({ kind, name }) => kind === resource.kind && name === resource.name));
}

function isResources(config: FakeConfig): config is readonly Resource[] {
  return Array.isArray(config);
}
