/** What the load benchmarks answer: about 1 KB of JSON, as an API does. */

/** What every client must find in it. */
export const answerId = 4711;

export const answer = {
  id: answerId,
  items: Array.from({ length: 11 }, (_, index) => ({
    id: answerId + index,
    name: `item number ${index}`,
    price: 1999 + index,
    currency: 'EUR',
    tags: ['new', 'sale'],
  })),
};
