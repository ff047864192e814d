/**
 * Envoy's `.proto` files, as grpc-js-xds carries them, in protobufjs: a reader and writer of the same messages that is not ours. They are
 * a little older than the table of src/control-plane/xds/wire.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import protobuf from 'protobufjs';

const require = createRequire(import.meta.url);
const protos = join(dirname(require.resolve('@grpc/grpc-js-xds/package.json')), 'deps');
const folders = [
  ...['envoy-api', 'xds', 'protoc-gen-validate', 'googleapis'].map((folder) => join(protos, folder)),
  dirname(require.resolve('protobufjs/package.json')),
];

/** The messages of these files, and of those that they import. */
export function loadEnvoyProtos(files: readonly string[]): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => {
    const found = folders.map((folder) => join(folder, target)).find((path) => existsSync(path));
    return found ?? target;
  };
  root.loadSync([...files], { keepCase: true });
  root.resolveAll();
  return root;
}
