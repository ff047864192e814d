/**
 * Project Wycheproof's signed tokens (Apache-2.0) through the verification that requests meet. Their payloads are texts and not claims,
 * so that what is compared is the signature, and a token that is good there must be one that this verification can read. The folder is
 * named by MESHFETCH_VECTORS.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { verifyJwt } from 'meshfetch/testing';
import { vectorsFolder } from './retry-vectors.ts';

interface JwsVectors {
  readonly numberOfTests: number;
  readonly testGroups: readonly {
    readonly comment: string;
    readonly public?: object;
    readonly private?: object;
    readonly tests: readonly {
      readonly tcId: number;
      readonly comment: string;
      readonly jws: string | object;
      readonly result: 'valid' | 'invalid';
    }[];
  }[];
}

const noSuchAlgorithm =
  'the key says that it is for ES521, which is no algorithm (RFC 7518, section 3.1); for ES512 it may not be used then';
const otherAlgorithm = 'the header says PS384, and the key that it may be used with PS256 alone (RFC 7517, section 4.4)';
const notBase64Url =
  'there is a question mark in a section, and what has characters that are not base64url is refused (RFC 7515, section 5.2)';

/** Tokens that Wycheproof calls valid and that are refused here. */
const refusedOnPurpose: Readonly<Record<number, string>> = {
  346: otherAlgorithm,
  347: noSuchAlgorithm,
  350: otherAlgorithm,
  351: noSuchAlgorithm,
  372: notBase64Url,
  373: notBase64Url,
};

/** Tokens that are said to be invalid and are letter for letter the one that is valid: the padding that they were about is not in the file. */
const sameAsValid: Readonly<Record<number, number>> = { 367: 357, 370: 357 };

const file = vectorsFolder === undefined ? undefined : join(vectorsFolder, 'wycheproof', 'json_web_signature_test.json');
const isThere = file !== undefined && existsSync(file);

describe('signed tokens of Wycheproof', { skip: !isThere && 'MESHFETCH_VECTORS names no folder with wycheproof' }, () => {
  const { testGroups, numberOfTests } = isThere
    ? (JSON.parse(readFileSync(file, 'utf8')) as JwsVectors)
    : { testGroups: [], numberOfTests: 0 };
  const refused = new Set<number>();

  for (const { comment, public: publicKey, private: secretKey, tests } of testGroups) {
    it(`${comment}, ${tests.length} tokens from ${tests[0]!.tcId} on`, async () => {
      for (const { tcId, jws, result, comment: what } of tests) {
        const token = typeof jws === 'string' ? jws : JSON.stringify(jws);
        const { isSignatureValid, isAccepted } = await verifyJwt(token, { keys: [publicKey ?? secretKey] });
        const twin = tests.find((test) => test.tcId === sameAsValid[tcId]);
        if (twin !== undefined) assert.equal(jws, twin.jws);
        const expected = (twin?.result ?? result) === 'valid' && refusedOnPurpose[tcId] === undefined;
        assert.equal(isSignatureValid, expected, `${tcId} ${what}`);
        // None of their payloads has an expiry.
        assert.ok(!isAccepted);
        if (result === 'valid' && !isSignatureValid) refused.add(tcId);
      }
    });
  }

  it(`are ${numberOfTests}, and those that are refused on purpose are refused`, () => {
    const count = testGroups.reduce((sum, { tests }) => sum + tests.length, 0);
    assert.equal(count, 401);
    assert.deepEqual(
      [...refused].toSorted((a, b) => a - b),
      Object.keys(refusedOnPurpose).map(Number),
    );
  });
});
