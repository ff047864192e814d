/** What `common_lb_config` says beside panic and localities: nothing of it is carried out, and each part says what happens instead. */
import type { Message } from './message.ts';

const statuses = ['UNKNOWN', 'HEALTHY', 'UNHEALTHY', 'DRAINING', 'TIMEOUT', 'DEGRADED'] as const;
/** Envoy's default, and what is done here. */
const ofSessions: ReadonlySet<string> = new Set(['UNKNOWN', 'HEALTHY', 'DEGRADED']);

/** Reports what has no effect of a `CommonLbConfig`. */
export function noteCommon(common: Message): void {
  if (common.durationMs('update_merge_window') !== undefined)
    common.note('update_merge_window', 'changes of endpoints are put in force as they come, none is held back');
  if (common.flag('ignore_new_hosts_until_first_hc') === true) {
    const instead = 'it gets no requests, and counts among those that are not well';
    common.note('ignore_new_hosts_until_first_hc', `an endpoint is counted before its first health check, too: ${instead}`);
  }
  if (common.flag('close_connections_on_host_health_failure') === true)
    common.note('close_connections_on_host_health_failure', 'requests that are under way go on, and new ones go elsewhere');
  const allowed = common.message('override_host_status')?.list('statuses');
  const named = allowed?.map((status) => (typeof status === 'number' ? statuses[status] : status));
  if (named !== undefined && (named.length !== ofSessions.size || named.some((status) => !ofSessions.has(String(status)))))
    common.note('override_host_status', 'a session stays while its endpoint is healthy or degraded, and leaves it otherwise');
}
