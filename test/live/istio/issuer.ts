import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../../src/base/runtime.ts';

/** What Kubernetes is to service accounts: it signs their tokens, and shows the key to whoever verifies them. */
export interface TokenIssuer {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  /** A projected token of the service account, valid for a day. */
  token(namespace: string, serviceAccount: string, audience?: string): string;
  close(): Promise<void>;
}

export async function startTokenIssuer(): Promise<TokenIssuer> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keys = [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256', use: 'sig' }];
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ keys }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return {
    url,
    token(namespace, serviceAccount, audience = 'istio-ca') {
      const nowSeconds = Math.floor(systemClock.wallNow() / 1000);
      const signed = `${part({ alg: 'RS256', kid: 'k1', typ: 'JWT' })}.${part({
        iss: url,
        sub: `system:serviceaccount:${namespace}:${serviceAccount}`,
        aud: [audience],
        iat: nowSeconds,
        exp: nowSeconds + 86_400,
      })}`;
      return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
