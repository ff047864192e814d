// Registers once more, and prints how many meshes stand in front of the clients.
const first = await import('meshfetch/register');
await import(process.argv[2]);
const { installations } = globalThis[Symbol.for('meshfetch.register')];
const { mesh } = installations[0];
console.log(
  JSON.stringify({
    installations: installations.length,
    answer: await (await fetch('http://orders/counted')).text(),
    others: typeof first.install === 'function' && mesh.name === 'default' ? 'same' : 'other',
  }),
);
