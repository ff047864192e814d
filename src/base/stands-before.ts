/**
 * Under which a dispatcher names the one that it only stands before: what a mesh does not serve goes straight to that one. Shared by the
 * copies of this package in a process.
 */
export const standsBefore: unique symbol = Symbol.for('meshfetch.standsBefore');
