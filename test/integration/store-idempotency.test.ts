import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RecordedAnswer } from '../../core/idempotency.ts';
import { createAppStore } from '../../db/app-store.ts';
import { createIdempotencyStore } from '../../db/idempotency-store.ts';
import { createPool } from '../../db/pool.ts';
import { createSweeper } from '../../db/sweeper.ts';
import { createTestDatabase, type TestDatabase } from '../rig/test-database.ts';
import { silentLog } from './db-silent-log.ts';
import { buildApp, NOW_MS } from './store-fixtures.ts';

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({ url: database.url, log: silentLog });
  await createAppStore(pool).apply(buildApp());
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const LEASE_MS = 30_000;
const DAY_MS = 86_400_000;
const answer: RecordedAnswer = { status: 201, location: null, body: { state: 'active' } };

function buildClaim(over: { readonly key?: string; readonly fingerprint?: string; readonly nowMs?: number } = {}) {
  const { key = randomUUID(), fingerprint = 'f', nowMs = NOW_MS } = over;
  return {
    app: 'demo',
    clientId: 'client-1',
    key,
    fingerprint,
    nowMs,
    sessionId: randomUUID(),
    claimId: randomUUID(),
    claimedUntilMs: nowMs + LEASE_MS,
    expiresAtMs: nowMs + DAY_MS,
  };
}

describe('idempotency keys', () => {
  it('let the first work, the others wait, and everybody have the first answer', async () => {
    const store = createIdempotencyStore(pool);
    const first = buildClaim();
    expect(await store.claim(first)).toEqual({ outcome: 'claimed', sessionId: first.sessionId });
    const second = buildClaim({ key: first.key });
    expect(await store.claim(second)).toEqual({ outcome: 'running' });
    expect(await store.claim({ ...second, fingerprint: 'other' })).toEqual({ outcome: 'other-request' });
    await store.finish(first, first.claimId, answer);
    expect(await store.claim(second)).toEqual({ outcome: 'answered', answer });
    expect(await store.claim({ ...second, fingerprint: 'other' })).toEqual({ outcome: 'other-request' });
  });

  it('let one of many that come at once work', async () => {
    const store = createIdempotencyStore(pool);
    const key = randomUUID();
    const claims = await Promise.all(Array.from({ length: 12 }, () => store.claim(buildClaim({ key }))));
    expect(claims.filter(({ outcome }) => outcome === 'claimed')).toHaveLength(1);
    expect(claims.filter(({ outcome }) => outcome === 'running')).toHaveLength(11);
  });

  it('go on with the same session after a crash, and at once after a release', async () => {
    const store = createIdempotencyStore(pool);
    const crashed = buildClaim();
    await store.claim(crashed);
    const late = buildClaim({ key: crashed.key, nowMs: NOW_MS + LEASE_MS });
    expect(await store.claim(late)).toEqual({ outcome: 'claimed', sessionId: crashed.sessionId });
    await store.release(late, late.claimId);
    const next = buildClaim({ key: crashed.key, nowMs: NOW_MS + LEASE_MS });
    expect(await store.claim(next)).toEqual({ outcome: 'claimed', sessionId: crashed.sessionId });
  });

  it('keep the answer of whoever took over when the one before comes late', async () => {
    const store = createIdempotencyStore(pool);
    const slow = buildClaim();
    await store.claim(slow);
    const quick = buildClaim({ key: slow.key, nowMs: NOW_MS + LEASE_MS });
    await store.claim(quick);
    await store.finish(slow, slow.claimId, { ...answer, status: 200 });
    await store.finish(quick, quick.claimId, answer);
    expect(await store.claim(buildClaim({ key: slow.key }))).toEqual({ outcome: 'answered', answer });
  });

  it('belong to one client and one app', async () => {
    const store = createIdempotencyStore(pool);
    const mine = buildClaim();
    await store.claim(mine);
    const others = { ...buildClaim({ key: mine.key, fingerprint: 'other' }), clientId: 'client-2' };
    expect(await store.claim(others)).toMatchObject({ outcome: 'claimed' });
  });

  it('mean something new after a day, and are swept', async () => {
    const store = createIdempotencyStore(pool);
    const old = buildClaim();
    await store.claim(old);
    await store.finish(old, old.claimId, answer);
    const fresh = buildClaim({ key: old.key, fingerprint: 'new', nowMs: NOW_MS + DAY_MS });
    expect(await store.claim(fresh)).toEqual({ outcome: 'claimed', sessionId: fresh.sessionId });
    await pool.query(
      `INSERT INTO idempotency_keys (app, client_id, key, fingerprint, session_id, expires_at)
       SELECT 'demo', 'many', n::text, 'f', 's', $1 FROM generate_series(1, 2500) n`,
      [new Date(NOW_MS)],
    );
    expect((await createSweeper(pool).sweep(NOW_MS + 1)).idempotencyKeys).toBe(2500);
    expect(await store.claim({ ...fresh, nowMs: NOW_MS + DAY_MS })).toEqual({ outcome: 'running' });
  });
});
