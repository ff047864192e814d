import type { TlsVersion } from '../../../model/tls.ts';
import type { Message } from './message.ts';

/** Versions and ciphers of a connection. */
export interface TlsParameters {
  readonly minVersion?: TlsVersion;
  readonly maxVersion?: TlsVersion;
  readonly cipherSuites?: readonly string[];
}

const versions = ['TLS_AUTO', 'TLSv1_0', 'TLSv1_1', 'TLSv1_2', 'TLSv1_3'] as const;

/** Reads the `tls_params` of a `CommonTlsContext`. */
export function tlsParametersFrom(common: Message): TlsParameters {
  const params = common.message('tls_params');
  const minVersion = tlsVersion(params?.choice('tls_minimum_protocol_version', versions));
  const maximum = params?.choice('tls_maximum_protocol_version', versions);
  const maxVersion = tlsVersion(maximum);
  if (maximum === 'TLSv1_0' || maximum === 'TLSv1_1')
    params!.problem('tls_maximum_protocol_version', 'older versions than TLS 1.2 are never spoken');
  const cipherSuites = params?.texts('cipher_suites') ?? [];
  return {
    ...(minVersion !== undefined && { minVersion }),
    ...(maxVersion !== undefined && { maxVersion }),
    ...(cipherSuites.length > 0 && { cipherSuites }),
  };
}

function tlsVersion(name: string | undefined): TlsVersion | undefined {
  if (name === 'TLSv1_3') return 'TLSv1.3';
  // Older ones are never spoken, so that a lower minimum says nothing.
  return name === 'TLSv1_2' ? 'TLSv1.2' : undefined;
}
