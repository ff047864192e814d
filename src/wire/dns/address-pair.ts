import type { Clock } from '../../base/runtime.ts';
import type { NameServerClient, RecordAnswer } from './name-server-client.ts';

/** What is known of one family of a name, and since when. */
export type FamilyAnswer = (RecordAnswer<string> & { readonly receivedMs: number }) | { readonly kind: 'pending' };

/** A and AAAA of one name. */
export interface AddressPair {
  readonly ipv4: FamilyAnswer;
  readonly ipv6: FamilyAnswer;
}

/** A pair to go on with; `late` when one family had not answered yet. */
export interface AskedPair {
  readonly pair: AddressPair;
  readonly late?: Promise<AddressPair>;
}

/**
 * Asks for A and AAAA at once. Once one has addresses, the other is waited for `resolutionDelayMs` more (RFC 8305, section 3, which
 * waits for AAAA only: here a late A is as welcome, since both go into one answer). Without addresses yet, both are waited for.
 */
export async function askBothFamilies(
  client: NameServerClient,
  name: string,
  clock: Clock,
  resolutionDelayMs: number,
): Promise<AskedPair> {
  let ipv4: FamilyAnswer = { kind: 'pending' };
  let ipv6: FamilyAnswer = { kind: 'pending' };
  const four = client.addresses(name, 4).then((answer) => {
    ipv4 = { ...answer, receivedMs: clock.now() };
    return ipv4;
  });
  const six = client.addresses(name, 6).then((answer) => {
    ipv6 = { ...answer, receivedMs: clock.now() };
    return ipv6;
  });
  const both = Promise.all([four, six]).then(([ipv4, ipv6]) => ({ ipv4, ipv6 }));
  const first = await Promise.race([four, six]);
  if (first.kind !== 'records') return { pair: await both };
  let endDelay = (): void => undefined;
  const delay = new Promise<undefined>((resolve) => {
    const timer = clock.setTimer(() => resolve(undefined), resolutionDelayMs);
    endDelay = () => timer.cancel();
  });
  const whole = await Promise.race([both, delay]);
  endDelay();
  return whole === undefined ? { pair: { ipv4, ipv6 }, late: both } : { pair: whole };
}

/**
 * The new pair with the addresses of the previous one for a family that failed or has not answered, unless these expired more than
 * `staleMs` ago: a name server that trips over AAAA must not take the addresses in use away.
 */
export function carryOver(pair: AddressPair, previous: AddressPair | undefined, nowMs: number, staleMs: number): AddressPair {
  const carried = (current: FamilyAnswer, before: FamilyAnswer | undefined): FamilyAnswer => {
    if (current.kind === 'records' || current.kind === 'none' || before?.kind !== 'records') return current;
    return before.receivedMs + before.ttlMs + staleMs > nowMs ? before : current;
  };
  return { ipv4: carried(pair.ipv4, previous?.ipv4), ipv6: carried(pair.ipv6, previous?.ipv6) };
}

/** The addresses of one family; none unless it has records. */
export function addressesOf(answer: FamilyAnswer): readonly string[] {
  return answer.kind === 'records' ? answer.records : [];
}
