// Asks a host that the mesh knows and one that it does not, by built-in fetch.
const elsewhere = process.argv[2] ?? 'elsewhere.invalid';
for (const [name, url] of [
  ['known', 'http://orders/known'],
  ['unknown', `http://${elsewhere}/unknown`],
]) {
  const answer = await fetch(url).then(
    (response) => response.text(),
    (error) => `failed: ${error.cause?.message}`,
  );
  console.log(JSON.stringify([name, answer]));
}
