// probe.mjs: what a kubelet asks: no certificate, no mesh. An empty message; `08 01` is SERVING, `08 02` NOT_SERVING.
import grpc from '@grpc/grpc-js';

const client = new grpc.Client('127.0.0.1:7011', grpc.credentials.createInsecure());
const bytes = (message) => message;
client.makeUnaryRequest('/grpc.health.v1.Health/Check', bytes, bytes, Buffer.alloc(0), (error, answer) => {
  console.log(error?.message ?? answer);
  client.close();
});
