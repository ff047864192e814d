// ask.mjs URL TIMES: asks at once, and says which answers came how often.
const [url, times] = process.argv.slice(2);
const ask = async () => {
  const response = await fetch(url);
  const text = await response.text();
  const retryAfter = response.headers.get('retry-after');
  return `${response.status} ${text}${retryAfter === null ? '' : ` (retry-after: ${retryAfter})`}`;
};
const answers = await Promise.all(Array.from({ length: Number(times) }, ask));
for (const answer of new Set(answers).values())
  console.log(`${answers.filter((each) => each === answer).length} of ${times}: ${answer}`);
