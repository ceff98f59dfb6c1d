import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judge } from '../../core/concur-codes.ts';
import type { ConcurFailure } from '../../core/ports.ts';

const deadlyForRefresh = new Set([108, 100, 55]);

const anyAnswer = fc.record({
  kind: fc.constant('answer' as const),
  status: fc.integer({ min: 100, max: 599 }),
  concurCode: fc.option(fc.oneof(fc.integer({ min: 0, max: 150 }), fc.integer())),
  oauthError: fc.option(
    fc.oneof(
      fc.constantFrom('invalid_grant', 'invalid_client', 'invalid_request', 'access_denied', '__proto__'),
      fc.string(),
    ),
  ),
  retryAfterMs: fc.option(fc.nat()),
  geolocation: fc.constantFrom(null, 'foreign' as const, { name: 'us2', baseUri: 'https://us2.example' }),
});

const anyFailure: fc.Arbitrary<ConcurFailure> = fc.oneof(
  { weight: 5, arbitrary: anyAnswer },
  fc.record({ kind: fc.constant('malformed' as const), status: fc.integer({ min: 200, max: 299 }), what: fc.string() }),
  fc.record({
    kind: fc.constant('transport' as const),
    transport: fc.constantFrom('timeout', 'reset', 'refused', 'dns', 'tls', 'other'),
    sent: fc.boolean(),
  }),
);

describe('what an answer means', () => {
  it('is death of a living connection only with a code that says so, and never from a server in trouble', () => {
    let deaths = 0;
    fc.assert(
      fc.property(anyFailure, (failure) => {
        const verdict = judge('refresh', failure);
        if (verdict.outcome !== 'dead') return;
        deaths += 1;
        expect(failure).toMatchObject({ kind: 'answer' });
        expect(deadlyForRefresh.has(verdict.concurCode ?? -1)).toBe(true);
        expect(failure.kind === 'answer' && failure.status < 500 && failure.status !== 429).toBe(true);
      }),
      { numRuns: 20_000 },
    );
    expect(deaths).toBeGreaterThan(10);
  });

  it('is never death for a revoke or for the app itself', () => {
    fc.assert(
      fc.property(fc.constantFrom('revoke' as const, 'client-credentials' as const), anyFailure, (grant, failure) => {
        expect(judge(grant, failure).outcome).not.toBe('dead');
      }),
    );
  });

  it('is uncertain exactly when a request that changes tokens was sent and brought no answer', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('exchange' as const, 'refresh' as const, 'revoke' as const, 'client-credentials' as const),
        anyFailure,
        (grant, failure) => {
          const changesTokens = grant === 'exchange' || grant === 'refresh';
          const lost = failure.kind === 'transport' && failure.sent && changesTokens;
          expect(judge(grant, failure).outcome === 'uncertain').toBe(lost);
        },
      ),
    );
  });

  it('belongs to the app whenever the app is blocked, and then somebody is told', () => {
    fc.assert(
      fc.property(anyFailure, (failure) => {
        const verdict = judge('refresh', failure);
        if (verdict.outcome === 'app-blocked') expect(verdict).toMatchObject({ scope: 'app', alarm: true });
      }),
      { numRuns: 2_000 },
    );
  });
});
