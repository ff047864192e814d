/** Name of a service of the benchmark, of its cluster and of its host. */
export function serviceName(index: number): string {
  return `service-${index}`;
}
