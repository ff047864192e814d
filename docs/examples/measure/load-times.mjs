// What loading each dependency costs, each in a process of its own: the reason for loading some of them only when needed.
import { execFileSync } from 'node:child_process';

const lendReflect = "for (const name of ['getMetadata', 'getOwnMetadata', 'defineMetadata']) Reflect[name] ??= () => {};";

for (const name of ['lru-cache', 'p-retry', 'opossum', 're2js', 'yaml', 'valibot', '@peculiar/x509', 'undici']) {
  const program = `${name === '@peculiar/x509' ? lendReflect : ''}
    const start = performance.now();
    await import('${name}');
    console.log(performance.now() - start);`;
  const times = Array.from({ length: 3 }, () =>
    Number(execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' })),
  );
  console.log(`${name}: ${Math.min(...times).toFixed(0)} ms`);
}
