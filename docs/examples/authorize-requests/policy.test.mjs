import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { authorize, compileMeshFile, normalizePath, verifyJwt } from 'meshfetch/testing';

const { listeners } = await compileMeshFile(readFileSync('mesh.yaml', 'utf8'));
const [chain] = listeners[0].filterChains;
const web = { spiffeId: 'spiffe://example.org/web' };

test('web reads, and does not write', () => {
  assert.equal(authorize(chain, { path: '/orders/42' }, web).rule, 'web-reads');
  assert.equal(authorize(chain, { method: 'POST', path: '/orders' }, web).status, 403);
});

test('nobody gets to /admin, however it is spelled', () => {
  for (const path of ['/admin', '//admin', '/x/../admin/', '/%61dmin', '/admin?a=b', '/admin%2Fusers'])
    assert.notEqual(authorize(chain, { path }, web).status, 200, path);
});

test('who has no certificate is nobody', () => {
  assert.equal(authorize(chain, { path: '/orders/42' }).details, 'rbac_access_denied_matched_policy[none]');
});

test('a path has one form', () => {
  assert.equal(normalizePath('/orders//./42?x=//'), '/orders/42?x=//');
  assert.equal(normalizePath('/orders/%2e%2e/admin'), '/admin');
  assert.equal(normalizePath('/orders%2Fadmin').status, 400);
});

test('a token of another audience is refused', async () => {
  const token = readFileSync('token', 'utf8');
  const keys = readFileSync('keys.json', 'utf8');
  const issuer = 'https://login.example';
  assert.ok((await verifyJwt(token, keys, { issuer, audiences: ['orders'] })).isAccepted);
  assert.equal((await verifyJwt(token, keys, { issuer, audiences: ['stock'] })).refusal.status, 403);
  assert.equal((await verifyJwt(token, keys, { issuer, nowMs: Date.now() + 86_400_000 })).refusal.body, 'Jwt is expired');
});
