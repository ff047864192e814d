import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fullUrl, redactQuery } from '../../../src/telemetry/redact-url.ts';

describe('redactQuery', () => {
  const rows = [
    { name: 'no-query', path: '/api/42', redacted: '/api/42' },
    { name: 'harmless', path: '/api?page=2&sort=author', redacted: '/api?page=2&sort=author' },
    { name: 'conventions-sig', path: '/b?color=blue&sig=abc', redacted: '/b?color=blue&sig=REDACTED' },
    {
      name: 'conventions-aws',
      path: '/b?AWSAccessKeyId=A&Signature=B',
      redacted: '/b?AWSAccessKeyId=REDACTED&Signature=REDACTED',
    },
    { name: 'conventions-google', path: '/b?X-Goog-Signature=A', redacted: '/b?X-Goog-Signature=REDACTED' },
    { name: 'aws-v4', path: '/b?X-Amz-Security-Token=A&X-Amz-Date=B', redacted: '/b?X-Amz-Security-Token=REDACTED&X-Amz-Date=B' },
    {
      name: 'oauth',
      path: '/cb?code=A&access_token=B&client_secret=C',
      redacted: '/cb?code=REDACTED&access_token=REDACTED&client_secret=REDACTED',
    },
    { name: 'api-key', path: '/b?api_key=A&apiKey=B&key=C', redacted: '/b?api_key=REDACTED&apiKey=REDACTED&key=REDACTED' },
    { name: 'password', path: '/b?password=A&pwd=B', redacted: '/b?password=REDACTED&pwd=REDACTED' },
    { name: 'encoded-name', path: '/b?%73ig=A', redacted: '/b?%73ig=REDACTED' },
    { name: 'undecodable-name', path: '/b?%zz=A', redacted: '/b?%zz=REDACTED' },
    { name: 'bracketed-name', path: '/b?filter[token]=A', redacted: '/b?filter[token]=REDACTED' },
    { name: 'value-with-equals', path: '/b?token=A==', redacted: '/b?token=REDACTED' },
    { name: 'name-without-value', path: '/b?token', redacted: '/b?token' },
    { name: 'second-question-mark', path: '/b?a=1?&token=A', redacted: '/b?a=1?&token=REDACTED' },
    { name: 'lookalikes', path: '/b?author=A&keyboard=B&design=C', redacted: '/b?author=A&keyboard=B&design=C' },
  ];
  for (const { name, path, redacted } of rows) {
    it(`keeps names and hides the values of secrets: ${name}`, () => {
      assert.equal(redactQuery(path), redacted);
    });
  }
});

describe('fullUrl', () => {
  const rows = [
    { name: 'default-http-port', parts: ['http', 'orders', 80, '/a'], url: 'http://orders/a' },
    { name: 'default-https-port', parts: ['https', 'orders', 443, '/a'], url: 'https://orders/a' },
    { name: 'other-port', parts: ['https', 'orders', 80, '/a'], url: 'https://orders:80/a' },
    { name: 'ipv6', parts: ['http', '[2001:db8::1]', 8080, '/a'], url: 'http://[2001:db8::1]:8080/a' },
    { name: 'user-and-password', parts: ['http', 'me:pass@orders', 80, '/a'], url: 'http://orders/a' },
    { name: 'asterisk', parts: ['http', 'orders', 80, '*'], url: 'http://orders/*' },
  ] as const;
  for (const {
    name,
    parts: [scheme, host, port, path],
    url,
  } of rows) {
    it(`is the URL without credentials: ${name}`, () => {
      assert.equal(fullUrl(scheme, host, port, path), url);
    });
  }
});
