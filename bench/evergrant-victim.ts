import type pg from 'pg';
import { sealContexts } from '../core/seal-contexts.ts';
import { waitFor } from '../test/e2e/wait-for.ts';
import type { Backend } from '../test/integration/backend.ts';
import { refreshSignal } from '../workflows/contract.ts';
import { connectMany } from './connect-many.ts';
import { inLanes } from './in-lanes.ts';
import type { Victim } from './kills.ts';

/** A call that died with its process is known to be over after its heartbeat's time-out and its horizon. */
const QUIET_MS = 180_000;

/** Evergrant's worker, to be killed; `start` starts one, which goes on with what the one before left. */
export async function createEvergrantVictim(
  backend: Backend,
  database: pg.Pool,
  { app, start }: { readonly app: string; readonly start: () => ReturnType<Backend['startWorker']> },
): Promise<Victim> {
  let worker = await start();
  return {
    clientId: backend.clientIdOf(app),
    async add(count) {
      const keys = await connectMany(backend, { count, app });
      return keys.map(({ principal }) => principal);
    },
    async makeDue(ids) {
      await inLanes(20, ids, (principal) => backend.handle({ app, principal }).signal(refreshSignal));
    },
    kill: () => worker.kill(),
    async restart() {
      worker = await start();
    },
    async untilQuiet(ids) {
      // Every attempt has its end, and the refresh that was asked for has come to something.
      await waitFor('every attempt to be over', QUIET_MS, async () => {
        const { rows } = await database.query<{ count: string }>(
          `SELECT count(*) FROM connections c WHERE c.app = $1 AND c.principal = ANY ($2)
             AND (c.version < 2 AND c.state NOT IN ('reauthorization-required')
               OR EXISTS (SELECT FROM refresh_attempts a WHERE a.connection_id = c.id AND a.status IN ('open', 'uncertain', 'received')))`,
          [app, ids],
        );
        return rows[0]?.count === '0' ? true : null;
      });
    },
    storedTokens: (ids) =>
      inLanes(5, ids, async (principal) => {
        const aggregate = await backend.connections.maybeOne({ app, principal });
        const current = aggregate?.grant.current;
        if (aggregate?.connection == null || current == null) return null;
        const context = sealContexts.refreshToken(aggregate.connection.id, current.attemptId);
        return (await backend.vault.open(current.sealed, context)).reveal();
      }),
  };
}
