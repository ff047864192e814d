/** What is said of the endpoints of a service and of their health, and changes nothing. No mistakes; `mesh.status()` shows them. */
import { localityName, placeOf, type Place } from './locality-name.ts';
import type { DefaultsFile, ServiceFile } from './schema.ts';
import { hashingPolicies, innermostPolicy } from './schema-load-balancing.ts';

type Report = (path: string, reason: string) => void;

/** The policies of a service, those of `defaults` filled in. */
type Policies = Pick<DefaultsFile, 'loadBalancing' | 'healthChecks'>;

/** Reports what has no effect; paths begin below the service. Only what the service says itself is looked at. */
export function endpointsWithoutEffect(service: ServiceFile, policies: Policies, report: Report): void {
  const { slowStart, outlierDetection } = service;
  const policy = innermostPolicy(policies.loadBalancing);
  if (slowStart !== undefined && hashingPolicies.includes(policy))
    report('.slowStart', `${policy} sends equal requests to the same endpoint, however new it is`);
  if (typeof outlierDetection === 'object' && outlierDetection.unejectOnHealthCheck !== undefined && !policies.healthChecks)
    report('.outlierDetection.unejectOnHealthCheck', 'there are no `healthChecks`, so that none passes');
  ofLocalities(service, report);
  ofSubsetting(service, report);
  const { endpoints = [] } = service;
  if (endpoints.length > 0 && endpoints.every((endpoint) => typeof endpoint === 'object' && endpoint.health === 'draining'))
    report('.endpoints', 'all of them drain: every request fails with MESH_NO_HEALTHY_ENDPOINT');
}

function ofLocalities({ localities, endpoints, dns }: ServiceFile, report: Report): void {
  if (localities === undefined) return;
  const { mode, panicThresholdPercent, failTrafficOnPanic } = localities;
  if (failTrafficOnPanic === true && panicThresholdPercent === 0)
    report('.localities.failTrafficOnPanic', '`panicThresholdPercent: 0` means that there is never panic');
  if (mode === 'zone-aware' && dns !== undefined)
    report('.localities.mode', 'the addresses of a name have no zone; write them under `endpoints`');
  if (mode === 'none' || endpoints === undefined) return;
  const hasChoice = [...Map.groupBy(endpoints.map(placeOf), ({ priority }) => priority).values()].some(hasSeveral);
  if (!hasChoice) report('.localities.mode', `no priority has endpoints in more than one locality, so ${mode} changes nothing`);
}

function hasSeveral(endpoints: readonly Place[]): boolean {
  return new Set(endpoints.map(localityName)).size > 1;
}

function ofSubsetting({ loadBalancing, endpoints }: ServiceFile, report: Report): void {
  if (loadBalancing === undefined || endpoints === undefined) return;
  const isOuter = loadBalancing.policy === 'subsetting';
  const subsetting = isOuter ? loadBalancing : loadBalancing.child;
  if (subsetting?.policy !== 'subsetting') return;
  const { size = 20 } = subsetting; // the policy's default
  if (size >= endpoints.length)
    report(
      `.loadBalancing${isOuter ? '' : '.child'}`,
      `${endpoints.length} endpoints are no more than its size (${size}): all are used`,
    );
}
