// ask.mjs URL [METHOD]: a caller that knows nothing of meshes.
const [url, method = 'GET'] = process.argv.slice(2);
const response = await fetch(url, { method });
console.log(response.status, await response.text());
