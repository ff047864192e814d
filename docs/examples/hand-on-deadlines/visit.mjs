// visit.mjs URL ["name: value"]…: a caller without a mesh, such as a gateway.
const [url, ...headers] = process.argv.slice(2);
const response = await fetch(url, { headers: headers.map((header) => header.split(/: */)) });
console.log(`${response.status} ${await response.text()}`);
