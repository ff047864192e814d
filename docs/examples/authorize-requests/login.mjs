// login.mjs PORT: stands for an issuer. Publishes its keys, and writes a token for ada that is good for ten minutes.
import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [port] = process.argv.slice(2);
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keys = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' }] });

const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
const iat = Math.floor(Date.now() / 1000);
const claims = { iss: 'https://login.example', sub: 'ada', aud: 'orders', role: 'clerk', iat, exp: iat + 600 };
const signed = `${encode({ alg: 'ES256', kid: 'k1' })}.${encode(claims)}`;
const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });

writeFileSync('keys.json', keys);
writeFileSync('token', `${signed}.${signature.toString('base64url')}`);
const server = createServer((_request, response) => response.setHeader('content-type', 'application/json').end(keys));
server.listen(port, '127.0.0.1', () => console.log(`login listens on ${port}`));
