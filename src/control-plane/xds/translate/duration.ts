/** Durations of protobuf: `"0.25s"` in JSON, `{ seconds, nanos }` as a message. Source: google/protobuf/duration.proto. */

const maxSeconds = 315_576_000_000; // ten thousand years: the bound of the format
const inText = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/;

/** Milliseconds with their fraction, or why the value is no duration. Negative ones are refused: no field of Envoy takes them. */
export function durationMsFrom(value: unknown): number | string {
  if (typeof value === 'string') {
    const parts = inText.exec(value);
    if (parts === null) return `${JSON.stringify(value.slice(0, 80))} is no duration; write seconds with an s, such as "0.25s"`;
    return durationMs(Number(parts[2]), Number((parts[3] ?? '').padEnd(9, '0')), parts[1] === '-');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const { seconds = 0, nanos = 0, ...others } = value as Readonly<Record<string, unknown>>;
    const unknownKey = Object.keys(others)[0];
    if (unknownKey !== undefined) return `has the key ${JSON.stringify(unknownKey)}; a duration has seconds and nanos`;
    const wholeSeconds = typeof seconds === 'string' && /^-?\d+$/.test(seconds) ? Number(seconds) : seconds;
    if (!isWhole(wholeSeconds) || !isWhole(nanos)) return 'seconds and nanos of a duration are whole numbers';
    if (Math.abs(nanos) > 999_999_999) return 'nanos of a duration are less than a second';
    return durationMs(Math.abs(wholeSeconds), Math.abs(nanos), wholeSeconds < 0 || nanos < 0);
  }
  return 'is no duration; write seconds with an s, such as "0.25s"';
}

function durationMs(seconds: number, nanos: number, isNegative: boolean): number | string {
  if (isNegative && seconds + nanos > 0) return 'is a negative duration';
  if (seconds > maxSeconds) return `is longer than ${maxSeconds} s`;
  return seconds * 1000 + nanos / 1_000_000;
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}
