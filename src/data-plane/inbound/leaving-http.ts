/**
 * Responses on which a request that asks to leave HTTP (`Upgrade`, `CONNECT`) is answered no. One that is let in becomes a connection that
 * may last for days, and is no request under way any more.
 */
export const leavingHttp = new WeakSet<object>();
