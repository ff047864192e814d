/**
 * Generated access rules and hostile requests with the verdicts of Envoy 1.40: that every rule is said in the words of the model
 * without loss, and means there what it means to Envoy. The folder is named by MESHFETCH_VECTORS.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { authorize, compileEnvoy } from 'meshfetch/testing';
import type { FilterChainConfig } from '../../src/model/listener.ts';
import { compileAuthorizer } from '../../src/data-plane/inbound/authorizer.ts';
import { compilePathNormalizer } from '../../src/data-plane/inbound/normalize-path.ts';
import { accessRequestOf, connectionOf, inboundRequestOf } from '../../src/testing/access-input.ts';
import { vectorsFolder } from './retry-vectors.ts';

interface RbacVectors {
  readonly base_port: number;
  readonly policies: readonly { readonly rbac: object; readonly hcm: object }[];
  readonly cases: readonly {
    readonly policy: number;
    readonly req: {
      readonly method: string;
      readonly host: string;
      readonly path: string;
      readonly headers: readonly (readonly [name: string, value: string])[];
    };
    readonly status: number;
  }[];
}

const files =
  vectorsFolder === undefined
    ? []
    : readdirSync(join(vectorsFolder, 'open'))
        .filter((file) => /^rbac-\d+\.json$/.test(file))
        .map((file) => join(vectorsFolder!, 'open', file));

const types = 'type.googleapis.com/envoy.extensions.filters';

/** The listener around the rules. */
function listenerOf({ rbac, hcm }: RbacVectors['policies'][number], port: number): object {
  const manager = {
    '@type': `${types}.network.http_connection_manager.v3.HttpConnectionManager`,
    ...hcm,
    http_filters: [
      { name: 'envoy.filters.http.rbac', typed_config: { '@type': `${types}.http.rbac.v3.RBAC`, ...rbac } },
      { name: 'envoy.filters.http.router', typed_config: { '@type': `${types}.http.router.v3.Router` } },
    ],
    route_config: {
      virtual_hosts: [{ name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }] }],
    },
  };
  return {
    name: `in-${port}`,
    traffic_direction: 'INBOUND',
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [{ filters: [{ name: 'hcm', typed_config: manager }] }],
  };
}

describe(
  'access rules of Envoy',
  { skip: files.length === 0 && 'MESHFETCH_VECTORS names no folder with vectors of rules' },
  () => {
    for (const file of files) {
      const { base_port, policies, cases } = JSON.parse(readFileSync(file, 'utf8')) as RbacVectors;
      const chains = policies.map((policy, index): FilterChainConfig => {
        const { listeners, problems } = compileEnvoy(listenerOf(policy, base_port + index));
        // Timeouts of the proxy and its address are not about access.
        const others = /^(direction|address)$|\.policy\.(timeoutMs|idleTimeoutMs)$/;
        assert.deepEqual(
          problems.filter(({ path }) => !others.test(path)),
          [],
        );
        const [listener] = listeners;
        assert.ok(listener?.direction === 'inbound');
        return listener.filterChains[0]!;
      });

      it(`are said without loss: ${policies.length} filters`, () => {
        for (const [index, { rbac }] of policies.entries()) {
          const rules = (rbac as { readonly rules: { readonly policies: object } }).rules.policies;
          const named = chains[index]!.authorization.flatMap((policy) => policy.rules.map(({ name }) => name));
          assert.deepEqual(named, Object.keys(rules).toSorted());
        }
      });

      it(`mean what they mean to Envoy: ${cases.length} requests`, () => {
        const parts = chains.map(({ authorization, pathNormalization }) => ({
          authorizer: compileAuthorizer(authorization),
          normalize: compilePathNormalizer(pathNormalization),
        }));
        const different = cases.flatMap(({ policy, req, status }) => {
          const { authorizer, normalize } = parts[policy]!;
          const path = normalize(req.path);
          const connection = connectionOf({ address: '127.0.0.1' }, base_port + policy);
          const facts = { authority: req.host, remoteAddress: '127.0.0.1', tokens: [] };
          const verdict =
            typeof path === 'string'
              ? authorizer.check(accessRequestOf(inboundRequestOf(req), connection, { ...facts, path }))
              : undefined;
          const found = verdict === undefined ? 400 : verdict.kind === 'allowed' ? 200 : 403;
          return found === status ? [] : [{ policy, ...req, path, status, found }];
        });
        assert.deepEqual(different, []);
      });

      it('mean the same to a request whose host is in its normal form, and for others are asked about that form', () => {
        const verdictOn = (policy: number, req: RbacVectors['cases'][number]['req']): number =>
          authorize(chains[policy]!, { ...req, port: base_port + policy }, { address: '127.0.0.1' }).status;
        const different = cases.flatMap(({ policy, req, status }) => {
          const found = verdictOn(policy, req);
          const host = req.host.toLowerCase().replace(/:80$/, '');
          const expected = host === req.host ? status : verdictOn(policy, { ...req, host });
          return found === expected ? [] : [{ policy, ...req, status, found }];
        });
        assert.deepEqual(different, []);
      });
    }
  },
);
