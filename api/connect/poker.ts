/**
 * Tells Temporal of completed connects. Nobody waits for it: what was decided is on file, so a Temporal that is away
 * delays a connect and loses none; the progress page pokes again.
 */
import { dataCentreOf } from '../../core/intake-kind.ts';
import type { BrowserSession } from '../../core/stores.ts';
import { BoundedMap } from '../bounded-map.ts';
import type { ApiDeps } from '../deps.ts';

type ConnectFacts = { readonly isNew?: boolean };
type Poked = Pick<BrowserSession, 'app' | 'principal' | 'id' | 'kind' | 'dataCentre'>;

export interface Poker {
  /**
   * Starts or joins the connection's workflow, at most every five seconds per session. Never throws. Tells for how many
   * milliseconds the session has been waiting, as far as this process knows. `isNew`: see {@link LifecycleGateway.connect}.
   */
  poke(session: Poked, facts?: ConnectFacts): number;
}

const EVERY_MS = 5_000;
/** Sessions remembered: about 100 bytes each. */
const CAPACITY = 10_000;

export function createPoker({ lifecycle, clock, log }: Pick<ApiDeps, 'lifecycle' | 'clock' | 'log'>): Poker {
  /** Monotonic times of the first poke and of the last one; for ever while one is under way. */
  const known = new BoundedMap<string, { readonly firstAt: number; readonly lastAt: number }>(CAPACITY);

  async function tell(session: Poked, facts: ConnectFacts): Promise<void> {
    const { app, principal, id } = session;
    if (principal === null) await lifecycle.connectUnidentified(app, id, dataCentreOf(session));
    else await lifecycle.connect({ app, principal }, id, facts);
  }

  async function poke(session: Poked, facts: ConnectFacts, begunAt: number, firstAt: number): Promise<void> {
    known.set(session.id, { firstAt, lastAt: Number.POSITIVE_INFINITY });
    try {
      await tell(session, facts);
    } catch (error) {
      log.warn({ err: error, app: session.app, session: session.id }, 'a completed connect waits for Temporal');
    } finally {
      known.set(session.id, { firstAt, lastAt: begunAt });
    }
  }

  return {
    poke(session, facts = {}) {
      const at = clock.monotonic();
      const { firstAt, lastAt } = known.get(session.id) ?? { firstAt: at, lastAt: Number.NEGATIVE_INFINITY };
      if (at - lastAt >= EVERY_MS) void poke(session, facts, at, firstAt);
      return at - firstAt;
    },
  };
}
