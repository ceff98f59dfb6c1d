/** Connects whose principal nobody knows yet, as the database keeps them: handed over once, on record, never forgotten. */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { handOver, type UnidentifiedConnect } from '../../core/unidentified.ts';
import { defaultRefreshPolicy } from '../../core/refresh-policy.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createAppTroubleStore } from '../../db/app-trouble.ts';
import { createConnectionStore } from '../../db/connection-store.ts';
import { createIntakeStore } from '../../db/intake-store.ts';
import { createPool } from '../../db/pool.ts';
import { createReconcileStore } from '../../db/reconcile-store.ts';
import { createSweeper } from '../../db/sweeper.ts';
import { createTestDatabase, type TestDatabase } from '../rig/test-database.ts';
import { silentLog } from './db-silent-log.ts';
import { buildApp, NOW_MS } from './store-fixtures.ts';

const HOUR_MS = 3_600_000;

let database: TestDatabase;
let pool: Pool;
let app: string;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({ url: database.url, log: silentLog });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});
beforeEach(async () => {
  app = `app-${randomUUID().slice(0, 8)}`;
  await createAppStore(pool).apply(buildApp({ app }));
});

async function open(overrides: Partial<UnidentifiedConnect> = {}): Promise<UnidentifiedConnect> {
  const intake: UnidentifiedConnect = {
    id: randomUUID(),
    app,
    kind: 'password',
    dataCentre: 'us2',
    principal: null,
    customerRef: null,
    actor: 'client:c1',
    credential: 'sealed-login',
    uses: 0,
    status: 'completed',
    failure: null,
    nextTryAtMs: NOW_MS,
    expiresAtMs: NOW_MS + HOUR_MS,
    openUntilMs: null,
    answer: null,
    answerSentAtMs: null,
    ...overrides,
  };
  const intakes = createIntakeStore(pool);
  await intakes.open(intake, { actor: 'client:c1', reason: null, correlationId: 'request-1' });
  return intake;
}

function bring(session: UnidentifiedConnect, principal: string) {
  const key = { app, principal };
  return createConnectionStore(pool).transact(
    key,
    (aggregate) =>
      handOver(aggregate, {
        session,
        brought: { kind: 'answer', attemptId: `${session.id}:answer`, sentAtMs: NOW_MS, answer: 'sealed-answer' },
        key,
        actor: session.actor,
        newConnectionId: randomUUID(),
        principalType: 'legacy-user',
        nowMs: NOW_MS,
        policy: defaultRefreshPolicy,
        workflowId: `concur-connection:${app}:${principal}`,
      }),
    { sessionId: session.id },
  );
}

async function connectionsOf(): Promise<number> {
  const { rows } = await pool.query('SELECT count(*)::int AS n FROM connections WHERE app = $1', [app]);
  return rows[0].n;
}

async function endings(): Promise<unknown[]> {
  const { rows } = await pool.query(
    `SELECT subject, actor, reason, correlation_id, facts FROM audit_events WHERE app = $1 AND type = 'connect.failed'`,
    [app],
  );
  return rows;
}

describe('a hand-over', () => {
  it('happens once, although many at the same moment mean connections of their own', async () => {
    const session = await open({ kind: 'legacy-code' });
    const handed = await Promise.all(Array.from({ length: 5 }, () => bring(session, randomUUID())));
    expect(handed.filter((connection) => connection !== null)).toHaveLength(1);
    expect(await connectionsOf()).toBe(1);
  });

  it('does not happen for a connect that has failed', async () => {
    const session = await open();
    const failure = { reason: 'nobody', concurCode: 5, correlationId: 'corr-1', disposal: 'unrevoked' } as const;
    await createIntakeStore(pool).transact(app, session.id, ({ row }) => ({
      result: null,
      after: { ...row, status: 'failed', failure: 'connect-failed', credential: null },
      ending: failure,
    }));
    expect(await bring(session, randomUUID())).toBeNull();
    expect(await connectionsOf()).toBe(0);
    expect(await endings()).toEqual([
      {
        subject: session.id,
        actor: 'workflow',
        reason: 'nobody',
        correlation_id: 'corr-1',
        facts: { kind: 'password', failure: 'connect-failed', concurCode: 5, disposal: 'unrevoked' },
      },
    ]);
  });
});

it('notes the trouble of its app, and has that of others in sight', async () => {
  const { id } = await open();
  const trouble = {
    kind: 'refused',
    dataCentre: 'us2',
    reason: 'client-secret-wrong',
    concurCode: 61,
    atMs: NOW_MS,
    blocks: false,
  } as const;
  const intakes = createIntakeStore(pool);
  for (let n = 0; n < 2; n += 1) {
    await intakes.transact(app, id, ({ appTroubles }) => {
      expect(appTroubles).toHaveLength(n);
      return { result: null, appTrouble: trouble };
    });
  }
  expect(await createAppTroubleStore(pool).many(app)).toMatchObject([{ dataCentre: 'us2', failures: 2 }]);
});

it('is none of the connections that the reconciler gives a workflow', async () => {
  await open();
  const { items } = await createReconcileStore(pool).manyOverdue({ dueByMs: NOW_MS + 1, limit: 100 });
  expect(items.filter((item) => item.app === app)).toEqual([]);
  const overdue = await createIntakeStore(pool).manyOverdue({ dueByMs: NOW_MS + 1, limit: 100 });
  expect(overdue.filter((connect) => connect.app === app)).toHaveLength(1);
});

describe('the sweeper', () => {
  it('shreds a login that no workflow ever came for, and puts that on record', async () => {
    const session = await open();
    await createSweeper(pool).sweep(NOW_MS + HOUR_MS - 1);
    expect(await createIntakeStore(pool).maybeOne(app, session.id)).toMatchObject({ credential: 'sealed-login' });
    for (let n = 0; n < 2; n += 1) await createSweeper(pool).sweep(NOW_MS + HOUR_MS);
    expect(await createIntakeStore(pool).maybeOne(app, session.id)).toMatchObject({
      status: 'failed',
      failure: 'connect-failed',
      credential: null,
    });
    expect(await endings()).toEqual([
      expect.objectContaining({ subject: session.id, actor: 'sweeper', reason: 'no-answer-in-time' }),
    ]);
  });

  it('leaves one alone whose answer is on file, or may still come', async () => {
    const answered = await open({ credential: null, answer: 'sealed-answer', answerSentAtMs: NOW_MS });
    const called = await open({ openUntilMs: NOW_MS + 2 * HOUR_MS });
    await createSweeper(pool).sweep(NOW_MS + HOUR_MS);
    for (const { id } of [answered, called]) {
      expect(await createIntakeStore(pool).maybeOne(app, id)).toMatchObject({ status: 'completed' });
    }
  });
});
