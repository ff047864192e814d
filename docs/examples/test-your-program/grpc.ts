import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { fakeUpstream } from 'meshfetch/testing';

//#region grpc
/** A service of gRPC, scripted by the bytes of its messages; here they are texts. */
export async function greets(name: string): Promise<string> {
  await using greeter = await fakeUpstream({ protocol: 'http2' });
  greeter.when({ path: '/shop.Greeter/Greet' }, async (request) => {
    const [message] = await request.messages();
    if (message?.toString() === '') return { grpc: { status: 3, message: 'who are you?' } };
    return { grpc: { messages: [Buffer.from(`hello ${message}`)] } };
  });
  const client = new Client(greeter.address, credentials.createInsecure());
  try {
    return await new Promise((resolve, reject) => {
      const done = (error: ServiceError | null, answer?: string) => (error === null ? resolve(answer!) : reject(error));
      client.makeUnaryRequest('/shop.Greeter/Greet', Buffer.from, String, name, done);
    });
  } finally {
    client.close();
  }
}
//#endregion
