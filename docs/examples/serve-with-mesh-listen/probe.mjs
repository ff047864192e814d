// probe.mjs URL: what a kubelet or a Prometheus does: no certificate, no mesh.
const [url] = process.argv.slice(2);
const response = await fetch(url);
console.log(response.status, await response.text());
