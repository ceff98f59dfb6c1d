import { describe, expect, it } from 'vitest';
import { type ConcurGrant, judge, type Verdict } from '../../core/concur-codes.ts';
import type { ConcurFailure } from '../../core/ports.ts';

const HOUR_MS = 3_600_000;
const grants: readonly ConcurGrant[] = ['exchange', 'refresh', 'revoke', 'client-credentials'];

function answer(
  status: number,
  more: Partial<Omit<ConcurFailure & { kind: 'answer' }, 'kind' | 'status'>> = {},
): ConcurFailure {
  return {
    kind: 'answer',
    status,
    concurCode: null,
    oauthError: null,
    retryAfterMs: null,
    geolocation: null,
    ...more,
  };
}

function transport(kind: (ConcurFailure & { kind: 'transport' })['transport'], sent: boolean): ConcurFailure {
  return { kind: 'transport', transport: kind, sent };
}

type Expected = Partial<Verdict>;

const always = (expected: Expected): Record<ConcurGrant, Expected> => ({
  exchange: expected,
  refresh: expected,
  revoke: expected,
  'client-credentials': expected,
});

const suspended = always({
  outcome: 'suspended',
  scope: 'connection',
  reason: 'principal-disabled',
  slow: false,
  alarm: false,
});
const malformed: Expected = { outcome: 'malformed', scope: 'app', reason: 'request-refused', slow: true, alarm: true };
const unverified: Expected = { outcome: 'transient', reason: 'revoke-unverified', alarm: false };
const badRequestToken: Expected = {
  outcome: 'dead',
  scope: 'connection',
  reason: 'request-token-rejected',
  confirmAfterMs: null,
};
const exchangeOnly: Record<ConcurGrant, Expected> = {
  exchange: badRequestToken,
  refresh: { outcome: 'malformed', scope: 'connection', reason: 'grant-misread', slow: true, alarm: true },
  revoke: unverified,
  'client-credentials': malformed,
};
const unknownPrincipal: Record<ConcurGrant, Expected> = {
  exchange: { outcome: 'dead', reason: 'principal-unknown', confirmAfterMs: null },
  refresh: { outcome: 'dead', reason: 'principal-unknown', confirmAfterMs: HOUR_MS },
  revoke: unverified,
  'client-credentials': malformed,
};

/** Every code that Concur documents, a row each. */
const rows: readonly [code: number, expected: Record<ConcurGrant, Expected>][] = [
  [5, exchangeOnly],
  [19, exchangeOnly],
  [60, exchangeOnly],
  [105, exchangeOnly],
  [136, exchangeOnly],
  [
    108,
    {
      exchange: badRequestToken,
      refresh: { outcome: 'dead', scope: 'connection', reason: 'bad-refresh-token', confirmAfterMs: null },
      revoke: { outcome: 'revoked', scope: 'connection', reason: 'revoked' },
      'client-credentials': malformed,
    },
  ],
  [100, unknownPrincipal],
  [55, unknownPrincipal],
  ...[10, 11, 12, 13, 14, 20, 123].map((code): [number, typeof suspended] => [code, suspended]),
  [53, always({ outcome: 'suspended', scope: 'connection', reason: 'app-disabled-by-customer' })],
  [134, always({ outcome: 'maintenance', scope: 'connection', reason: 'company-maintenance', slow: true })],
  [59, always({ outcome: 'app-blocked', scope: 'app', reason: 'client-disabled', alarm: true })],
  [61, always({ outcome: 'app-blocked', scope: 'app', reason: 'client-unknown', alarm: true })],
  [64, always({ outcome: 'app-blocked', scope: 'app', reason: 'client-secret-wrong', alarm: true })],
  ...[107, 54, 120, 121, 124, 51, 52, 62, 63, 65, 101, 102, 106, 109, 115, 135].map(
    (code): [number, Record<ConcurGrant, Expected>] => [code, always(malformed)],
  ),
  [16, always({ outcome: 'transient', scope: 'connection', reason: 'moved-elsewhere', slow: true, alarm: true })],
];

describe('a code of Concur', () => {
  it('is in this table once, and the table has all 37', () => {
    expect(new Set(rows.map(([code]) => code)).size).toBe(rows.length);
    expect(rows.length).toBe(37);
  });

  const cases = rows.flatMap(([code, expected]) => grants.map((grant) => ({ code, grant, expected: expected[grant] })));
  it.each(cases)('$code for $grant means $expected.outcome, $expected.reason', ({ code, grant, expected }) => {
    for (const status of [200, 400, 401, 403]) {
      expect(judge(grant, answer(status, { concurCode: code }))).toMatchObject({ ...expected, concurCode: code });
    }
  });

  it('comes before the OAuth error beside it', () => {
    expect(judge('refresh', answer(400, { concurCode: 134, oauthError: 'invalid_grant' })).outcome).toBe('maintenance');
    expect(judge('refresh', answer(401, { concurCode: 53, oauthError: 'invalid_client' })).outcome).toBe('suspended');
    expect(judge('refresh', answer(400, { concurCode: 108, oauthError: 'invalid_request' })).outcome).toBe('dead');
  });

  it('that points to a foreign host says so', () => {
    expect(judge('refresh', answer(400, { concurCode: 16, geolocation: 'foreign' }))).toMatchObject({
      outcome: 'transient',
      reason: 'foreign-geolocation',
      alarm: true,
    });
  });

  it('that nobody knows is transient, whatever error stands beside it', () => {
    for (const oauthError of [null, 'invalid_grant', 'invalid_client', 'invalid_request']) {
      expect(judge('refresh', answer(400, { concurCode: 999, oauthError }))).toMatchObject({
        outcome: 'transient',
        reason: 'answer-unknown',
        concurCode: 999,
      });
    }
    expect(judge('refresh', answer(403, { concurCode: 999 })).outcome).toBe('suspended');
  });

  it('ends nothing when it comes with a server error', () => {
    for (const status of [429, 500, 502, 503, 504]) {
      for (const code of [108, 100, 55]) {
        expect(judge('refresh', answer(status, { concurCode: code })).outcome).toBe('transient');
        expect(judge('revoke', answer(status, { concurCode: code })).outcome).toBe('transient');
      }
    }
    expect(judge('refresh', answer(503, { concurCode: 134 })).outcome).toBe('maintenance');
  });
});

describe('an answer without a code', () => {
  it.each([
    ['exchange', 'invalid_grant', 'dead', 'request-token-rejected', 'connection'],
    ['refresh', 'invalid_grant', 'suspended', 'grant-refused', 'connection'],
    ['revoke', 'invalid_grant', 'transient', 'revoke-unverified', 'connection'],
    ['client-credentials', 'invalid_grant', 'malformed', 'request-refused', 'app'],
    ['refresh', 'invalid_client', 'app-blocked', 'client-refused', 'app'],
    ['refresh', 'invalid_request', 'malformed', 'request-refused', 'app'],
    ['refresh', 'invalid_scope', 'malformed', 'request-refused', 'app'],
    ['refresh', 'unauthorized_client', 'malformed', 'request-refused', 'app'],
    ['refresh', 'unsupported_grant_type', 'malformed', 'request-refused', 'app'],
  ] as const)('is judged by its OAuth error: %s, %s is %s', (grant, oauthError, outcome, reason, scope) => {
    expect(judge(grant, answer(400, { oauthError }))).toMatchObject({ outcome, reason, scope });
  });

  it.each([
    ['refresh', 401, { outcome: 'suspended', reason: 'denied', scope: 'connection' }],
    ['refresh', 403, { outcome: 'suspended', reason: 'denied', scope: 'connection' }],
    ['exchange', 403, { outcome: 'suspended', reason: 'denied', scope: 'connection' }],
    ['client-credentials', 401, { outcome: 'app-blocked', reason: 'client-refused', scope: 'app' }],
    ['revoke', 401, { outcome: 'transient', reason: 'revoke-unverified' }],
    ['revoke', 403, { outcome: 'transient', reason: 'revoke-unverified' }],
    ['revoke', 404, { outcome: 'transient', reason: 'revoke-unverified' }],
    ['refresh', 404, { outcome: 'transient', reason: 'answer-unknown' }],
    ['refresh', 400, { outcome: 'transient', reason: 'answer-unknown', slow: false }],
    ['refresh', 302, { outcome: 'transient', reason: 'answer-unknown' }],
    ['refresh', 408, { outcome: 'transient', reason: 'provider-timeout', slow: true }],
    ['refresh', 429, { outcome: 'transient', reason: 'rate-limited', slow: true, pauseMs: null }],
    ['refresh', 500, { outcome: 'transient', reason: 'provider-unavailable', scope: 'service', slow: false }],
    ['refresh', 502, { outcome: 'transient', reason: 'provider-unavailable', slow: false }],
    ['refresh', 503, { outcome: 'transient', reason: 'provider-unavailable', slow: true }],
    ['refresh', 504, { outcome: 'transient', reason: 'provider-timeout', slow: true }],
    ['refresh', 599, { outcome: 'transient', reason: 'provider-unavailable' }],
  ] as const)('is judged by its status: %s, %i', (grant, status, expected) => {
    expect(judge(grant, answer(status))).toMatchObject(expected);
  });

  it('hands on how long Concur asked to be left alone', () => {
    expect(judge('refresh', answer(429, { retryAfterMs: 7_000 }))).toMatchObject({ pauseMs: 7_000, slow: false });
    expect(judge('refresh', answer(503, { retryAfterMs: 60_000 }))).toMatchObject({ pauseMs: 60_000, slow: true });
  });
});

describe('a word of Concur where it has no code', () => {
  it.each([
    ['INVALIDTOKEN', 'dead', 'request-token-rejected'],
    ['INVALIDAPP', 'malformed', 'request-refused'],
    ['INVALIDSCOPES', 'malformed', 'request-refused'],
    ['UNAUTHORIZED', 'app-blocked', 'client-refused'],
    ['LEGACY_ERROR', 'dead', 'request-token-rejected'],
  ] as const)('says of a connect what is wrong: %s', (providerCode, outcome, reason) => {
    for (const status of [200, 400, 401]) {
      const verdict = judge('exchange', answer(status, { providerCode }));
      expect(verdict).toMatchObject({ outcome, reason, mayHaveRotated: false });
    }
    expect(judge('exchange', answer(503, { providerCode })).outcome).toBe('transient');
  });

  it('never ends a living grant: an error in XML says no more than that it is one', () => {
    for (const status of [200, 400, 401, 403]) {
      const verdict = judge('refresh', answer(status, { providerCode: 'LEGACY_ERROR' }));
      expect(verdict).toMatchObject({ outcome: 'suspended', reason: 'grant-refused', alarm: true });
      expect(judge('revoke', answer(status, { providerCode: 'LEGACY_ERROR' }))).toMatchObject(unverified);
    }
    expect(judge('refresh', answer(400, { providerCode: 'LEGACY_ERROR', concurCode: 61 })).outcome).toBe('app-blocked');
  });
});

describe('no usable answer', () => {
  const kinds = ['timeout', 'reset', 'refused', 'dns', 'tls', 'other'] as const;

  it.each(kinds)('after sending (%s) leaves exchange and refresh uncertain', (kind) => {
    expect(judge('refresh', transport(kind, true))).toMatchObject({ outcome: 'uncertain', slow: kind === 'timeout' });
    expect(judge('exchange', transport(kind, true)).outcome).toBe('uncertain');
    expect(judge('revoke', transport(kind, true)).outcome).toBe('transient');
    expect(judge('client-credentials', transport(kind, true)).outcome).toBe('transient');
  });

  it.each(kinds)('before sending (%s) is transient', (kind) => {
    for (const grant of grants) {
      expect(judge(grant, transport(kind, false))).toMatchObject({ outcome: 'transient', scope: 'service' });
    }
  });

  it('names a time-out as such', () => {
    expect(judge('refresh', transport('timeout', true)).reason).toBe('provider-timeout');
    expect(judge('refresh', transport('reset', true)).reason).toBe('provider-unavailable');
  });

  it('in a 2xx is transient and slow', () => {
    for (const grant of grants) {
      expect(judge(grant, { kind: 'malformed', status: 200, what: 'no-json' })).toMatchObject({
        outcome: 'transient',
        reason: 'answer-malformed',
        slow: true,
      });
    }
  });
});

/** Whether a refresh that met this may have rotated the token, so that a 108 after it is no disconnect. */
describe('a refresh may have been carried out', () => {
  it.each<[string, ConcurFailure, boolean]>([
    ['a time-out after sending', transport('timeout', true), true],
    ['a reset after sending', transport('reset', true), true],
    ['a reset before sending', transport('reset', false), false],
    ['a refused connection', transport('refused', false), false],
    ['TLS', transport('tls', false), false],
    ['DNS', transport('dns', false), false],
    ['HTML with a 200', { kind: 'malformed', status: 200, what: 'no-json' }, true],
    ['a 200 without a token', { kind: 'malformed', status: 200, what: 'no-access-token' }, true],
    ['a 200 with an unknown code', answer(200, { concurCode: 999 }), true],
    ['a 408', answer(408), true],
    ['a 500', answer(500), true],
    ['a 502', answer(502), true],
    ['an HTML 503', answer(503), true],
    ['a 504', answer(504), true],
    ['a 500 with the code 108', answer(500, { concurCode: 108 }), true],
    ['a 503 with the code 134', answer(503, { concurCode: 134 }), false],
    ['a 400 with the code 108', answer(400, { concurCode: 108 }), false],
    ['a 400 with an unknown code', answer(400, { concurCode: 999 }), false],
    ['a 401', answer(401), false],
    ['a 403', answer(403), false],
    ['a 429', answer(429), false],
  ])('after %s', (_what, failure, expected) => {
    expect(judge('refresh', failure)).toMatchObject({ mayHaveRotated: expected });
    for (const grant of ['revoke', 'client-credentials'] as const) {
      expect(judge(grant, failure).mayHaveRotated).toBe(false);
    }
  });
});
