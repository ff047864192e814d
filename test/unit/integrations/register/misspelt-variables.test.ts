import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { misspeltVariables } from '../../../../src/integrations/register/misspelt-variables.ts';

describe('a variable of the environment', () => {
  const rows: readonly { readonly name: string; readonly meant: string | undefined }[] = [
    { name: 'MESHFETCH_CONFG', meant: 'MESHFETCH_CONFIG' },
    { name: 'MESHFETCH_CONFIG_FILE', meant: 'MESHFETCH_CONFIG' },
    { name: 'meshfetch_config', meant: 'MESHFETCH_CONFIG' },
    { name: 'MESHFETCH_BYPAS', meant: 'MESHFETCH_BYPASS' },
    { name: 'MESHFETCH_CONFIG', meant: undefined },
    { name: 'MESHFETCH_BYPASS', meant: undefined },
    { name: 'MESHFETCH_LIVE_ENVOY', meant: undefined },
    { name: 'MESHFETCH_VECTORS', meant: undefined },
    { name: 'NODE_OPTIONS', meant: undefined },
  ];
  for (const { name, meant } of rows)
    it(meant === undefined ? `is not said to be misspelt: ${name}` : `is said to be ${meant}: ${name}`, () => {
      assert.deepEqual(misspeltVariables({ [name]: 'x' }), meant === undefined ? [] : [{ name, meant }]);
    });
});
