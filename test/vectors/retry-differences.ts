/** Cases in which the mesh answers otherwise than Envoy, by the id of the case, and why it should. */
export const retryDifferences: Readonly<Record<string, string>> = {};
