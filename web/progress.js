/**
 * Waits for news without loading the page again and again; browsers without scripts do that instead. The answer is held
 * back until there is news or five seconds have passed (RFC 7240 section 4.3).
 */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let shown = null;

for (;;) {
  try {
    const response = await fetch(location.href, { headers: { prefer: 'wait=5' } });
    const text = await response.text();
    // An outage is waited out: the connect goes on without this page.
    if (response.status < 500) {
      if (!text.includes('data-outcome="pending"') || (shown !== null && text !== shown)) break;
      shown = text;
    }
  } catch {
    // The network is away.
  }
  await pause(1_000);
}

location.reload();
