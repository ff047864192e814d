import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PresetStatus } from '../../../../src/control-plane/istio/preset-status.ts';
import type { ConfigSink, ControlPlaneStatus } from '../../../../src/model/contracts.ts';
import type { Resource } from '../../../../src/model/snapshot.ts';

const nothing = { accepted: [], rejected: [], unhonoured: [] };

describe('the sink of the stream', () => {
  it('checks what nobody has asked for, as the sink of the mesh does', async () => {
    const checked: Resource[] = [];
    const sink: ConfigSink = {
      apply: async () => nothing,
      check: async (resource) => {
        checked.push(resource);
        return nothing;
      },
      absent: () => {},
      status: () => {},
    };
    const resource: Resource = { kind: 'endpoints', name: 'orders', value: { name: 'orders', localities: [] } };
    assert.equal(await new PresetStatus(sink).streamSink.check?.(resource), nothing);
    assert.deepEqual(checked, [resource]);
  });

  it('has no check where the sink of the mesh has none', () => {
    const sink: ConfigSink = { apply: async () => nothing, absent: () => {}, status: () => {} };
    assert.equal('check' in new PresetStatus(sink).streamSink, false);
  });

  it('says what is wrong with the pod beside what is wrong with the stream', () => {
    const told: ControlPlaneStatus[] = [];
    const preset = new PresetStatus({
      apply: async () => nothing,
      absent: () => {},
      status: (status) => void told.push(status),
    });
    preset.warn(['ISTIO_META_X is no JSON']);
    preset.streamSink.status({ state: 'disconnected', error: 'istiod: UNAVAILABLE' });
    assert.deepEqual(told, [{ state: 'disconnected', error: 'istiod: UNAVAILABLE; ISTIO_META_X is no JSON' }]);
  });
});
