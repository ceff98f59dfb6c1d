import { describe, expect, it } from 'vitest';
import { buildConnectionResource } from '../../core/connection-resource.ts';
import { connectionStates, isEnded, isLiving } from '../../core/connection.ts';
import { buildSnapshot } from '../../core/snapshot.ts';
import {
  buildAggregate,
  buildAttempt,
  buildConnection,
  buildSession,
  HOUR,
  NOW_MS,
  policy,
  SECOND,
  snapshotOf,
  WORKFLOW_ID,
} from '../simulation/builders.ts';

it('living states are the ones with a grant to look after; ended ones have none', () => {
  expect(connectionStates.filter(isLiving)).toEqual(['active', 'retrying', 'suspended', 'blocked', 'paused']);
  expect(connectionStates.filter(isEnded)).toEqual(['revoked', 'connect-failed']);
});

describe('a snapshot', () => {
  it('is none for a connection that does not exist', () => {
    expect(
      buildSnapshot({ ...buildAggregate(), connection: null }, { nowMs: NOW_MS, policy, listingUrl: null }),
    ).toBeNull();
  });

  it('shows the connects that wait, and the ones with an answer on file as due at once', () => {
    const sessions = [
      buildSession({ id: 's1', nextTryAtMs: NOW_MS + 1 }),
      buildSession({ id: 's2', nextTryAtMs: NOW_MS + 2 }),
      buildSession({ id: 's3', status: 'failed' }),
    ];
    const attempts = [buildAttempt({ kind: 'exchange', status: 'received', sessionId: 's2' })];
    expect(snapshotOf(buildAggregate({ sessions, attempts })).pendingConnects).toMatchObject([
      { sessionId: 's2', nextTryAtMs: 0 },
      { sessionId: 's1', nextTryAtMs: NOW_MS + 1 },
    ]);
  });

  it('shows an answer on file although its session is over: what was obtained has to be kept or revoked', () => {
    const attempts = [buildAttempt({ kind: 'exchange', status: 'received', sessionId: 's9' })];
    expect(snapshotOf(buildAggregate({ attempts })).pendingConnects).toMatchObject([
      { sessionId: 's9', nextTryAtMs: 0 },
    ]);
  });

  it('shows the end of the latest horizon that has not passed', () => {
    const horizons = (nowMs: number) =>
      snapshotOf(
        buildAggregate({
          attempts: [
            buildAttempt({ id: 'a', horizonAtMs: NOW_MS + SECOND }),
            buildAttempt({ id: 'b', status: 'uncertain', horizonAtMs: NOW_MS + 2 * SECOND }),
            buildAttempt({ id: 'c', status: 'lost', horizonAtMs: NOW_MS + 3 * SECOND }),
            buildAttempt({ id: 'd', status: 'received', horizonAtMs: NOW_MS + 3 * SECOND }),
          ],
        }),
        nowMs,
      ).openUntilMs;
    expect(horizons(NOW_MS)).toBe(NOW_MS + 2 * SECOND);
    expect(horizons(NOW_MS + 2 * SECOND)).toBeNull();
  });
});

describe('a connection as everybody outside sees it', () => {
  const context = { upkeep: 'warm', listingUrl: null, workflowId: WORKFLOW_ID } as const;

  it('has exactly the fields of the contract', () => {
    expect(Object.keys(buildConnectionResource(buildConnection(), context))).toEqual([
      'app',
      'principal_id',
      'principal_type',
      'company',
      'customer_ref',
      'state',
      'state_since',
      'reason',
      'upkeep',
      'data_center',
      'geolocation',
      'scope',
      'version',
      'access_token_expires_at',
      'refresh_token_expires_at',
      'next_refresh_at',
      'last_refreshed_at',
      'last_read_at',
      'last_error',
      'connected_at',
      'workflow_id',
      'listing_url',
    ]);
  });

  it('tells times in UTC, and unknown ones as null', () => {
    const lastError = { code: 'provider-unavailable', concurCode: 134, atMs: NOW_MS, correlationId: 'corr-1' };
    const connection = buildConnection({ accessTokenExpiresAtMs: NOW_MS + HOUR, lastRefreshedAtMs: null, lastError });
    expect(buildConnectionResource(connection, context)).toMatchObject({
      access_token_expires_at: '2026-08-20T13:00:00.000Z',
      last_refreshed_at: null,
      last_error: {
        code: 'provider-unavailable',
        concur_code: 134,
        at: '2026-08-20T12:00:00.000Z',
        correlation_id: 'corr-1',
      },
    });
  });
});
