// The program of clients.cjs in a worker thread.
import { Worker } from 'node:worker_threads';

new Worker(new URL('clients.cjs', import.meta.url)).on('error', (error) => {
  throw error;
});
