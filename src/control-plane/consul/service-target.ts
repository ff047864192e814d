/**
 * Which hosts are Consul services. A single word is a service of the agent's own datacenter; beyond that the names are those that
 * Consul answers by DNS: `[tag.]service.service[.datacenter[.dc]].consul`. Everything else belongs to somebody else.
 * Source: Consul documentation, "Service lookups" of the DNS interface.
 */
import { isIP } from 'node:net';

/** One thing to watch: the instances of a service, in one datacenter, with one more tag. */
export interface ServiceTarget {
  readonly service: string;
  /** Absent = the datacenter of the options, else that of the agent. */
  readonly datacenter?: string;
  /** Asked for by the host name, beside the tags of the options. */
  readonly tag?: string;
}

/** The service that a host names, or why it names none. */
export function serviceTargetFromHost(host: string, domain = 'consul'): ServiceTarget | { readonly notConsul: string } {
  const name = host.toLowerCase().replace(/\.$/, '');
  if (isIP(name.replace(/^\[|\]$/g, '')) !== 0) return { notConsul: 'an IP address is not a service name' };
  if (name === 'localhost') return { notConsul: 'localhost is this machine' };
  const labels = name.split('.');
  if (!labels.every(isLabel)) return { notConsul: `"${name}" is not a name that Consul could have registered` };
  if (labels.length === 1) return { service: name };
  const suffix = domain.toLowerCase().split('.');
  if (labels.slice(-suffix.length).join('.') !== suffix.join('.')) {
    return { notConsul: `a host with dots is a Consul service only as <service>.service.${domain}` };
  }
  return lookupTarget(labels.slice(0, -suffix.length), domain);
}

/** `[tag, service, 'service', datacenter?, 'dc'?]`. */
function lookupTarget(labels: readonly string[], domain: string): ServiceTarget | { readonly notConsul: string } {
  const at = labels.lastIndexOf('service');
  const before = labels.slice(0, at);
  const after = labels.slice(at + 1);
  const service = before.at(-1);
  const datacenterOk = after.length === 0 || after.length === 1 || (after.length === 2 && after[1] === 'dc');
  if (at < 1 || service === undefined || before.length > 2 || !datacenterOk) {
    return { notConsul: `of Consul's names only [tag.]<service>.service[.<datacenter>].${domain} is supported` };
  }
  return {
    service,
    ...(after[0] !== undefined && { datacenter: after[0] }),
    ...(before.length === 2 && before[0] !== undefined && { tag: before[0] }),
  };
}

/** The name of the target's cluster: the shortest host that names it, hence one watch for all spellings. */
export function clusterNameOf(target: ServiceTarget, domain = 'consul'): string {
  if (target.datacenter === undefined && target.tag === undefined) return target.service;
  const parts = [target.service, 'service'];
  if (target.tag !== undefined) parts.unshift(target.tag);
  if (target.datacenter !== undefined) parts.push(target.datacenter);
  return `${parts.join('.')}.${domain}`;
}

/** Every host that names the target. */
export function hostsOf(target: ServiceTarget, domain = 'consul'): readonly string[] {
  const name = clusterNameOf(target, domain);
  if (target.datacenter !== undefined) return [name, name.slice(0, -domain.length) + `dc.${domain}`];
  return target.tag === undefined ? [name, `${name}.service.${domain}`] : [name];
}

/** A DNS label as URLs allow it: letters, digits, `-` and `_`, at most 63. */
function isLabel(label: string): boolean {
  return /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label);
}
