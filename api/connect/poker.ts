/**
 * Tells Temporal of completed connects. Nobody waits for it: what was decided is on file, so a Temporal that is away
 * delays a connect and loses none; the progress page pokes again.
 */
import type { ConnectionKey } from '../../core/connection.ts';
import { BoundedMap } from '../bounded-map.ts';
import type { ApiDeps } from '../deps.ts';

export interface Poker {
  /** Starts or joins the connection's workflow, at most every five seconds per session. Never throws. */
  poke(key: ConnectionKey, sessionId: string): void;
}

const EVERY_MS = 5_000;
/** Sessions remembered: about 100 bytes each. */
const CAPACITY = 10_000;

export function createPoker({ lifecycle, clock, log }: Pick<ApiDeps, 'lifecycle' | 'clock' | 'log'>): Poker {
  /** Monotonic time of the last poke; for ever while one is under way. */
  const last = new BoundedMap<string, number>(CAPACITY);

  async function poke(key: ConnectionKey, sessionId: string): Promise<void> {
    const begunAt = clock.monotonic();
    last.set(sessionId, Number.POSITIVE_INFINITY);
    try {
      await lifecycle.connect(key, sessionId);
    } catch (error) {
      log.warn({ err: error, app: key.app, session: sessionId }, 'a completed connect waits for Temporal');
    } finally {
      last.set(sessionId, begunAt);
    }
  }

  return {
    poke(key, sessionId) {
      const lastAt = last.get(sessionId);
      if (lastAt === undefined || clock.monotonic() - lastAt >= EVERY_MS) void poke(key, sessionId);
    },
  };
}
