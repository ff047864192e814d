import { types } from 'node:util';

/**
 * Whether `value` is an error of any realm. Node's own errors (ECONNRESET, a TLS alert) are made in the main one, so that for code in
 * another, as test runners load it (jest, node:vm), they are no `instanceof Error`.
 */
export function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}
