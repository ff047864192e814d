/** Every behaviour of the table through every client that it applies to. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { reasonAgainst } from './behaviour.ts';
import { subjects } from './behaviours/index.ts';
import { clients } from './clients.ts';
import { Setting } from './setting.ts';

const behaviours = subjects.flatMap((subject) => subject.behaviours);

describe('the table of clients', () => {
  it('has behaviours with distinct names', () => {
    assert.equal(new Set(behaviours.map(({ name }) => name)).size, behaviours.length);
  });

  it('gives reasons for clients that there are, and against none that all have', () => {
    const known = new Set(clients.flatMap(({ name, family }) => [name, family]));
    for (const { name, notFor = {} } of behaviours)
      for (const client of Object.keys(notFor)) assert.ok(known.has(client), `${name}: ${client}`);
  });
});

/** For one at a time: `SUBJECT=Routing CLIENT=got BEHAVIOUR=by-path`. */
const chosen = (name: string, value: string): boolean => process.env[name] === undefined || process.env[name] === value;

for (const subject of subjects.filter(({ title }) => chosen('SUBJECT', title))) {
  for (const client of clients.filter(({ name }) => chosen('CLIENT', name))) {
    describe(`${subject.title} through ${client.name}`, { concurrency: 8 }, () => {
      for (const behaviour of subject.behaviours) {
        if (reasonAgainst(behaviour, client) !== undefined || !chosen('BEHAVIOUR', behaviour.name)) continue;
        it(behaviour.name, async () => {
          await using setting = new Setting(client);
          await behaviour.check(setting);
        });
      }
    });
  }
}
