/** The one place that loads `jose`: at the first token, so that a process which never sees one does not pay for it. */
import type * as jose from 'jose';

let loading: Promise<typeof jose> | undefined;

/** The library; later calls get the same. */
export function loadJose(): Promise<typeof jose> {
  return (loading ??= import('jose'));
}
