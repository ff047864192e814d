/** What an order costs. Without the service of prices it is what the order itself says. */
export async function total(mesh, id) {
  const response = await mesh.fetch(`http://orders/${id}`);
  if (!response.ok) throw new Error(`orders answered ${response.status}`);
  const { items } = await response.json();
  const costs = await Promise.all(items.map(async ({ name, price }) => (await priceOf(mesh, name)) ?? price));
  return costs.reduce((sum, cost) => sum + cost, 0);
}

async function priceOf(mesh, name) {
  try {
    const response = await mesh.fetch(`http://prices/${name}`);
    return response.ok ? (await response.json()).price : undefined;
  } catch {
    return undefined;
  }
}
