// client.cjs: a client of grpc-js that knows nothing of a mesh.
const grpc = require('@grpc/grpc-js');
const { loadSync } = require('@grpc/proto-loader');

const { welcome } = grpc.loadPackageDefinition(loadSync(`${__dirname}/greeter.proto`));
const client = new welcome.Greeter('greeter:50051', grpc.credentials.createInsecure());
client.greet({ name: 'Ada' }, (error, greeting) => {
  if (error) {
    console.log(`failed: ${grpc.status[error.code]}`);
    client.close();
    return;
  }
  console.log(greeting.text);
  client
    .greetOften({ name: 'Ada' })
    .on('data', ({ text }) => console.log(text))
    .on('error', ({ code }) => console.log(`failed: ${grpc.status[code]}`))
    .on('end', () => client.close());
});
