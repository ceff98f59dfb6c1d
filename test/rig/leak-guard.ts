/**
 * Part of every suite's set-up: fails a test file that leaves sockets, servers or processes open when its tests are
 * done, as it would hold up, or mislead, whatever runs next.
 */
import { afterAll } from 'vitest';

/** What keeps a process alive and is never vitest's own. */
const watched = new Set(['TCPSocketWrap', 'TCPServerWrap', 'PipeServerWrap', 'ProcessWrap', 'UDPWrap', 'FSEventWrap']);
/** A socket that was told to close needs a moment, one that is kept alive for the next request some seconds. */
const PATIENCE_MS = 6_000;
const POLL_MS = 25;

const before = openResources();

afterAll(async () => {
  const deadlineMs = Date.now() + PATIENCE_MS;
  let leaked = difference(openResources(), before);
  while (leaked.length > 0 && Date.now() < deadlineMs) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    leaked = difference(openResources(), before);
  }
  if (leaked.length > 0) throw new Error(`the tests of this file left open: ${leaked.join(', ')}`);
});

function openResources(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const type of process.getActiveResourcesInfo()) {
    if (watched.has(type)) counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  return counts;
}

function difference(now: ReadonlyMap<string, number>, then: ReadonlyMap<string, number>): readonly string[] {
  return [...now]
    .map(([type, count]) => ({ type, more: count - (then.get(type) ?? 0) }))
    .filter(({ more }) => more > 0)
    .map(({ type, more }) => `${more} x ${type}`);
}
