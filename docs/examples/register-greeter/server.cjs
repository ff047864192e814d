// server.cjs PORT: a service of grpc-js that knows nothing of a mesh.
const grpc = require('@grpc/grpc-js');
const { loadSync } = require('@grpc/proto-loader');

const { welcome } = grpc.loadPackageDefinition(loadSync(`${__dirname}/greeter.proto`));
const [port] = process.argv.slice(2);
const server = new grpc.Server();
server.addService(welcome.Greeter.service, {
  greet: ({ request }, callback) => callback(null, { text: `Hello ${request.name}, from ${port}` }),
  greetOften(call) {
    for (const word of ['Hello', 'again', 'and again']) call.write({ text: `${word} ${call.request.name}, from ${port}` });
    call.end();
  },
});
server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error) => {
  console.log(error ? error.message : `the greeter listens on ${port}`);
});
