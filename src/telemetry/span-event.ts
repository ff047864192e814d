import type { Attributes } from '@opentelemetry/api';
import type { EventName } from './events.ts';

/** What the span of the request says already. */
const spanHasIt = new Set(['mesh', 'request', 'method', 'scheme', 'host', 'port', 'path', 'route']);

/** Name of the span event for an event of the mesh: `retry:scheduled` → `meshfetch.retry.scheduled`. */
export function spanEventName(name: EventName): string {
  return `meshfetch.${name.replace(':', '.').replaceAll('-', '_')}`;
}

/** The plain fields of an event as attributes: `budgetLeft` → `meshfetch.budget_left`. */
export function spanEventAttributes(event: object): Attributes {
  const attributes: Attributes = {};
  for (const [field, value] of Object.entries(event)) {
    if (spanHasIt.has(field)) continue;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      attributes[`meshfetch.${field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`] = value;
    }
  }
  return attributes;
}
