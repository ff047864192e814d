import type { Attributes } from '@opentelemetry/api';
import type { EventFacts, EventName } from './events.ts';
import type { Instruments } from './instruments.ts';
import type { MeshScope } from './mesh-scope.ts';

type Count<N extends EventName> = (instruments: Instruments, facts: EventFacts[N], scope: MeshScope) => void;

function countBreaker(state: string): Count<'breaker:opened' | 'breaker:half-open' | 'breaker:closed'> {
  return (instruments, facts, scope) =>
    instruments.get('meshfetch.circuit_breaker.transitions').add(1, {
      'meshfetch.cluster': scope.clusters.label(facts.cluster),
      'meshfetch.circuit_breaker.state': state,
      'meshfetch.mesh.name': scope.meshName,
    });
}

function updateLabels(kind: 'config.source' | 'identity.name', name: string, outcome: string, scope: MeshScope): Attributes {
  return { [`meshfetch.${kind}`]: name, 'meshfetch.update.outcome': outcome, 'meshfetch.mesh.name': scope.meshName };
}

/** The events that are counted, so that an event and its metric cannot tell different stories. */
export const eventMetrics: { readonly [N in EventName]?: Count<N> } = {
  'host:ejected': (instruments, facts, scope) =>
    instruments.get('meshfetch.ejections').add(1, {
      'meshfetch.cluster': scope.clusters.label(facts.cluster),
      'meshfetch.ejection.reason': facts.reason,
      'meshfetch.mesh.name': scope.meshName,
    }),
  'health-check:changed': (instruments, facts, scope) =>
    instruments.get('meshfetch.health_check.changes').add(1, {
      'meshfetch.cluster': scope.clusters.label(facts.cluster),
      'meshfetch.health_check.state': facts.state,
      'meshfetch.mesh.name': scope.meshName,
    }),
  'breaker:opened': countBreaker('open'),
  'breaker:half-open': countBreaker('half-open'),
  'breaker:closed': countBreaker('closed'),
  'config:applied': (instruments, facts, scope) =>
    instruments.get('meshfetch.config.updates').add(1, updateLabels('config.source', facts.source, 'accepted', scope)),
  'config:rejected': (instruments, facts, scope) =>
    instruments.get('meshfetch.config.updates').add(1, updateLabels('config.source', facts.source, 'rejected', scope)),
  'identity:rotated': (instruments, facts, scope) =>
    instruments.get('meshfetch.identity.updates').add(1, updateLabels('identity.name', facts.name, 'accepted', scope)),
  'identity:rejected': (instruments, facts, scope) =>
    instruments.get('meshfetch.identity.updates').add(1, updateLabels('identity.name', facts.name, 'rejected', scope)),
  'inbound:connection-refused': (instruments, facts, scope) =>
    instruments.get('meshfetch.server.refused_connections').add(1, {
      'meshfetch.refusal.reason': facts.reason,
      'server.port': facts.port,
      'meshfetch.mesh.name': scope.meshName,
    }),
};
