/**
 * Findings of which requests fail. For a mesh that runs they are parts of a resource without effect, since the other parts go on; for
 * who checks a file beforehand they are mistakes.
 */

const words =
  /(?:so that (?:(?:the requests|requests|every connection)\b.* fails?|every (?:request|connection) is refused|the chain refuses every request)|requests that reach the route fail)(?! until)/;

/**
 * Whether requests fail because of what a finding of the translation says: it says so itself. What fails only until something is
 * delivered is no such finding, because a file does not have what a control plane delivers.
 */
export function isFailure(reason: string): boolean {
  return words.test(reason) && !reason.includes(' is not there yet,');
}

/** Whether requests fail because of what the data plane says it does not carry out: the action of a route, or a check. */
export function isFailureInModel(path: string): boolean {
  return /(?:\.action|\.externalAuthorization)$/.test(path);
}
