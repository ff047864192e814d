// Loads the clients of a program before anything else, as instrumentation does.
await Promise.all([import('@grpc/grpc-js'), import('undici'), fetch('data:,')]);
