import type { InboundRefusal } from '../../model/inbound.ts';
import type { AskedPolicy } from './authorizer.ts';
import type { Exchange } from './exchange.ts';
import type { AuthorizerAnswer } from './external-authorization/external-authorizer.ts';
import { editHeaders } from './request-headers.ts';
import { editQuery } from './edit-query.ts';
import { noAuthorizer } from './refusals.ts';

/** Why one of them did not say yes; undefined = all did. */
export type AskedVerdict = { readonly refusal: InboundRefusal; readonly isAnswered: boolean } | undefined;

/**
 * Asks each of these providers in turn, since the next one sees what the one before has changed. Calls `done` once, never before it
 * returns. What it returns ends the asking without a call.
 */
export function askAuthorizers(
  exchange: Exchange,
  policies: readonly AskedPolicy[],
  done: (verdict: AskedVerdict) => void,
): () => void {
  let cancel: (() => void) | undefined;
  const ask = (index: number): void => {
    const policy = policies[index];
    if (policy === undefined) {
      done(undefined);
      return;
    }
    const authorizer = exchange.chain.externalAuthorizers.get(policy.provider);
    if (authorizer === undefined) {
      let isCancelled = false;
      cancel = () => (isCancelled = true);
      queueMicrotask(() => isCancelled || done({ refusal: noAuthorizer, isAnswered: false }));
    } else
      cancel = authorizer.check(exchange, exchange.request, (answer) => {
        cancel = undefined;
        if (answer.kind === 'refused')
          done({ refusal: answer.refusal, isAnswered: answer.refusal.details !== noAuthorizer.details });
        else if (answer.kind === 'unanswered') done({ refusal: noAuthorizer, isAnswered: false });
        else {
          take(exchange, answer);
          ask(index + 1);
        }
      });
  };
  ask(0);
  return () => cancel?.();
}

/** The request as the authorizer wants it to go on. */
function take(exchange: Exchange, answer: AuthorizerAnswer & { readonly kind: 'allowed' }): void {
  const { edit, responseHeaders, queryToRemove, queryToSet } = answer;
  if (edit !== undefined) editHeaders(exchange.request, edit);
  if (responseHeaders !== undefined) exchange.addToResponse(responseHeaders);
  if (queryToRemove === undefined && queryToSet === undefined) return;
  exchange.retarget(editQuery(exchange.path, queryToRemove ?? [], queryToSet ?? []));
}
