/** `node probe.mjs URL`: exit code 0 when it answers 2xx, for the health checks of images that have no curl. */
const ANSWER_MS = 4_000;

const [, , url] = process.argv;
const problem = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS), redirect: 'error' }).then(
  (response) => (response.ok ? null : `${response.status}`),
  (error) => error.cause?.code ?? error.name,
);
if (problem !== null) {
  console.error(`${url}: ${problem}`);
  process.exitCode = 1;
}
