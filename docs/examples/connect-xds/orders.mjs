import { createServer } from 'node:http';

const port = Number(process.argv[2]);
createServer((_request, response) => response.end(`an order from ${port}\n`)).listen(port, '127.0.0.1');
