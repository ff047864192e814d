// An xDS server in its smallest form: it sends what is in two files, and sends it again when they change.
import { readFileSync, watchFile } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Server, ServerCredentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const files = {
  'type.googleapis.com/envoy.config.listener.v3.Listener': 'listeners.json',
  'type.googleapis.com/envoy.config.cluster.v3.Cluster': 'clusters.json',
};

const protos = join(dirname(createRequire(import.meta.url).resolve('@grpc/grpc-js-xds/package.json')), 'deps');
const definition = loadSync(
  [
    'envoy/service/discovery/v3/ads.proto',
    'envoy/config/listener/v3/listener.proto',
    'envoy/config/cluster/v3/cluster.proto',
    'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
    'envoy/extensions/filters/http/router/v3/router.proto',
  ],
  {
    keepCase: true,
    defaults: true,
    includeDirs: ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((name) => join(protos, name)),
  },
);
const { AggregatedDiscoveryService } = loadPackageDefinition(definition).envoy.service.discovery.v3;

let version = 1;
const server = new Server();
server.addService(AggregatedDiscoveryService.service, {
  StreamAggregatedResources(stream) {
    const asked = new Set();
    const send = (type) => {
      const resources = JSON.parse(readFileSync(files[type], 'utf8')).map((one) => ({ '@type': type, ...one }));
      stream.write({ type_url: type, version_info: `${version}`, nonce: `${version}`, resources });
    };
    stream.on('data', ({ type_url: type, response_nonce: nonce, error_detail: refused }) => {
      if (refused) console.log(`refused: ${refused.message}`);
      else if (nonce === '' && type in files) send(type);
      if (type in files) asked.add(type);
    });
    onChange.add(() => asked.forEach(send));
  },
});
const onChange = new Set();
for (const file of Object.values(files))
  watchFile(file, { interval: 100 }, () => {
    version += 1;
    for (const push of onChange) push();
  });
server.bindAsync('127.0.0.1:18000', ServerCredentials.createInsecure(), () => console.log('listening on 127.0.0.1:18000'));
