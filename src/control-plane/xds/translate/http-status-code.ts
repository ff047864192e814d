import type { Message } from './message.ts';

/** Names of `envoy.type.v3.StatusCode`, from each hundred on without a gap; `-` where the enum has none. */
const names: Readonly<Record<number, string>> = {
  100: 'Continue',
  200: 'OK Created Accepted NonAuthoritativeInformation NoContent ResetContent PartialContent MultiStatus AlreadyReported',
  226: 'IMUsed',
  300: 'MultipleChoices MovedPermanently Found SeeOther NotModified UseProxy - TemporaryRedirect PermanentRedirect',
  400:
    'BadRequest Unauthorized PaymentRequired Forbidden NotFound MethodNotAllowed NotAcceptable ProxyAuthenticationRequired ' +
    'RequestTimeout Conflict Gone LengthRequired PreconditionFailed PayloadTooLarge URITooLong UnsupportedMediaType ' +
    'RangeNotSatisfiable ExpectationFailed',
  421: 'MisdirectedRequest UnprocessableEntity Locked FailedDependency - UpgradeRequired - PreconditionRequired TooManyRequests',
  431: 'RequestHeaderFieldsTooLarge',
  500:
    'InternalServerError NotImplemented BadGateway ServiceUnavailable GatewayTimeout HTTPVersionNotSupported ' +
    'VariantAlsoNegotiates InsufficientStorage LoopDetected - NotExtended NetworkAuthenticationRequired',
};

const numbers = new Map(
  Object.entries(names).flatMap(([first, list]) => list.split(' ').map((name, index) => [name, Number(first) + index] as const)),
);
numbers.delete('-');

/** Reads an `HttpStatus`: its code by name, as protobuf's JSON has it, or by number. */
export function httpStatusFrom(message: Message | undefined): number | undefined {
  const code = message?.raw('code');
  if (typeof code !== 'string' || /^\d+$/.test(code)) return message?.whole('code', 0, 599);
  const number = numbers.get(code);
  if (number === undefined) message!.problem('code', `${JSON.stringify(code)} is no name of a status code`);
  return number;
}
