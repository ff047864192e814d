import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findSettings, type IstioSettings, type Surroundings } from '../../../../src/control-plane/istio/environment.ts';
import type { IstioOptions } from '../../../../src/control-plane/istio/options.ts';

const b64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
/** As the kubelet projects it; the signature is of no interest here. */
const token = `${b64({ alg: 'RS256' })}.${b64({
  aud: ['istio-ca'],
  exp: 1_800_000_000,
  sub: 'system:serviceaccount:shop:web',
  'kubernetes.io': { namespace: 'shop', serviceaccount: { name: 'web' }, pod: { name: 'web-6f9d7c5b8-x2k4q' } },
})}.c2ln`;

describe('findSettings', () => {
  let folder: string;
  let count = 0;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'meshfetch-pod-'));
  });
  after(() => rm(folder, { recursive: true }));

  interface Pod {
    readonly files?: Readonly<Record<string, string>>;
    readonly variables?: Readonly<Record<string, string>>;
    readonly options?: IstioOptions;
    readonly addresses?: readonly string[];
  }
  async function find({ files = {}, variables = {}, options = {}, addresses = ['10.1.2.3'] }: Pod): Promise<IstioSettings> {
    const root = join(folder, `pod-${count++}`);
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
    const surroundings: Surroundings = {
      variables,
      root,
      hostname: () => 'web-host',
      addresses: () => addresses,
      residentPorts: { admin: 1, health: 1, tunnel: 1 },
    };
    return findSettings(options, surroundings);
  }
  const tokenFile = { 'var/run/secrets/tokens/istio-token': token };

  it('needs nothing but the projected token', async () => {
    const settings = await find({ files: tokenFile });
    assert.equal(settings.namespace, 'shop');
    assert.equal(settings.serviceAccount, 'web');
    assert.equal(settings.podName, 'web-6f9d7c5b8-x2k4q');
    assert.deepEqual(settings.addresses, ['10.1.2.3']);
    assert.equal(settings.discoveryAddress, 'istiod.istio-system.svc:15012');
    assert.equal(settings.caAddress, settings.discoveryAddress);
    assert.equal(settings.serverName, 'istiod.istio-system.svc');
    assert.equal(settings.clusterId, 'Kubernetes');
    assert.equal(settings.trustDomain, 'cluster.local');
    assert.equal(settings.meshId, 'cluster.local');
    assert.equal(settings.certificateValiditySeconds, 86_400);
    assert.deepEqual(settings.warnings, []);
  });

  it('reads what injection sets in the environment, which counts before the token', async () => {
    const settings = await find({
      files: tokenFile,
      variables: {
        POD_NAME: 'cart-0',
        POD_NAMESPACE: 'store',
        SERVICE_ACCOUNT: 'cart',
        INSTANCE_IP: '10.9.9.9,fd00::9',
        CA_ADDR: 'ca.example:15012',
        TRUST_DOMAIN: 'example.org',
        SECRET_TTL: '1h30m0s',
        PROXY_CONFIG: '{"discoveryAddress":"istiod-canary.istio-system.svc:15012","proxyMetadata":{"ISTIO_META_NETWORK":"n1"}}',
        ISTIO_META_CLUSTER_ID: 'east',
        ISTIO_META_MESH_ID: 'mesh1',
        ISTIO_META_WORKLOAD_NAME: 'cart',
        ISTIO_META_OWNER: 'kubernetes://apis/apps/v1/namespaces/store/deployments/cart',
        ISTIO_METAJSON_METRICS: '{"sidecar.istio.io/statsInclusionPrefixes":"cluster"}',
      },
    });
    assert.equal(settings.podName, 'cart-0');
    assert.equal(settings.namespace, 'store');
    assert.equal(settings.serviceAccount, 'cart');
    assert.deepEqual(settings.addresses, ['10.9.9.9', 'fd00::9']);
    assert.equal(settings.discoveryAddress, 'istiod-canary.istio-system.svc:15012');
    assert.equal(settings.serverName, 'istiod-canary.istio-system.svc');
    assert.equal(settings.caAddress, 'ca.example:15012');
    assert.equal(settings.caServerName, 'ca.example');
    assert.equal(settings.trustDomain, 'example.org');
    assert.equal(settings.certificateValiditySeconds, 5400);
    assert.equal(settings.clusterId, 'east');
    assert.equal(settings.meshId, 'mesh1');
    assert.equal(settings.network, 'n1');
    assert.equal(settings.workloadName, 'cart');
    assert.equal(settings.metadata['OWNER'], 'kubernetes://apis/apps/v1/namespaces/store/deployments/cart');
    assert.equal(settings.metadata['sidecar.istio.io/statsInclusionPrefixes'], 'cluster');
  });

  it('reads labels and annotations as the downward API writes them', async () => {
    const settings = await find({
      files: {
        ...tokenFile,
        'etc/istio/pod/labels':
          'app="web"\npod-template-hash="6f9d7c5b8"\nversion="v1"\ntopology.istio.io/locality="eu.eu-1.r2"\n',
        'etc/istio/pod/annotations': 'note="a \\"quoted\\" line\\nand a second, \\u00e9"\nempty=""',
      },
    });
    assert.deepEqual(settings.labels, {
      app: 'web',
      'pod-template-hash': '6f9d7c5b8',
      version: 'v1',
      'topology.istio.io/locality': 'eu.eu-1.r2',
    });
    assert.deepEqual(settings.annotations, { note: 'a "quoted" line\nand a second, é', empty: '' });
    assert.deepEqual(settings.locality, { region: 'eu', zone: 'eu-1', subZone: 'r2' });
    assert.equal(settings.workloadName, 'web'); // the pod's name up to the hash of its template
  });

  it('takes an option before everything else', async () => {
    const settings = await find({
      files: tokenFile,
      variables: { POD_NAMESPACE: 'store', ISTIO_META_CLUSTER_ID: 'east' },
      options: { namespace: 'mine', clusterId: 'west', discoveryAddress: '127.0.0.1:15012', addresses: ['10.0.0.1'] },
    });
    assert.equal(settings.namespace, 'mine');
    assert.equal(settings.clusterId, 'west');
    assert.deepEqual(settings.addresses, ['10.0.0.1']);
    assert.equal(settings.serverName, 'istiod.istio-system.svc'); // an IP address is in no certificate of istiod
  });

  it('uses the roots of this machine for an istiod behind a public certificate', async () => {
    const settings = await find({ files: tokenFile, variables: { XDS_ROOT_CA: 'SYSTEM', CA_ROOT_CA: '/etc/ca.pem' } });
    assert.equal(settings.rootCertificateFile, undefined);
    assert.equal(settings.caRootCertificateFile, '/etc/ca.pem');
  });

  it('says all that is missing at once, and what to put into the pod', async () => {
    await assert.rejects(find({ addresses: [] }), (error: Error) => {
      assert.match(error.message, /^istio: the namespace \(POD_NAMESPACE/);
      assert.match(error.message, /and the service account \(SERVICE_ACCOUNT/);
      assert.match(error.message, /and the IP address of the pod \(INSTANCE_IP/);
      assert.match(error.message, /audience: istio-ca.*istio-ca-root-cert.*downwardAPI/);
      return true;
    });
  });

  it('goes on without what cannot be read, and says so', async () => {
    const { warnings } = await find({
      files: tokenFile,
      variables: { PROXY_CONFIG: '{', SECRET_TTL: 'soon', ISTIO_METAJSON_X: '[]' },
    });
    assert.equal(warnings.length, 3);
    assert.match(warnings.join('\n'), /PROXY_CONFIG is neither JSON nor YAML/);
    assert.match(warnings.join('\n'), /ISTIO_METAJSON_X is no JSON object/);
    assert.match(warnings.join('\n'), /SECRET_TTL is no duration/);
  });

  it('refuses an address that is none', async () => {
    await assert.rejects(find({ files: tokenFile, variables: { CA_ADDR: 'https://ca' } }), /CA_ADDR is not host:port/);
  });
});
