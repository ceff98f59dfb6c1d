import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDataCentres, publishedDataCentres } from '../../concur/data-centres.ts';
import { processProfileResponse } from '../../concur/profile.ts';
import { parseRetryAfter } from '../../concur/retry-after.ts';
import { processRevokeResponse } from '../../concur/revoke.ts';
import { processTokenResponse } from '../../concur/token-response.ts';

const nowMs = Date.UTC(2026, 7, 1);
const context = { dataCentres: createDataCentres(publishedDataCentres), nowMs, sentAtMs: nowMs };
const anything = fc.jsonValue({ maxDepth: 2 });
const bodies = fc.oneof(
  fc.string(),
  anything.map((value) => JSON.stringify(value)),
  fc
    .record(
      {
        access_token: anything,
        refresh_token: anything,
        id_token: anything,
        expires_in: anything,
        refresh_expires_in: anything,
        geolocation: anything,
        scope: anything,
        code: anything,
        error: anything,
        id: anything,
      },
      { requiredKeys: [] },
    )
    .map((value) => JSON.stringify(value)),
);
const responses = fc.record({
  status: fc.integer({ min: 100, max: 599 }),
  headers: fc.dictionary(fc.constantFrom('retry-after', 'concur-correlationid'), fc.string()),
  body: bodies,
});

describe('whatever Concur sends', () => {
  it('is either a usable answer or a failure, and never an exception', () => {
    fc.assert(
      fc.property(responses, (response) => {
        for (const process of [processTokenResponse, processRevokeResponse, processProfileResponse]) {
          const result = process(response, context);
          if (result.ok) expect(response.status >= 200 && response.status < 300).toBe(true);
          else expect(['answer', 'malformed']).toContain(result.failure.kind);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('is taken for a token answer whenever it is a 2xx with an access token, however odd the rest', () => {
    const token = fc.stringMatching(/^[\x21-\x7e]{1,40}$/);
    fc.assert(
      fc.property(fc.dictionary(fc.string(), anything), token, token, (rest, access, refresh) => {
        const body = JSON.stringify({ ...rest, access_token: access, refresh_token: refresh });
        const result = processTokenResponse({ status: 200, headers: {}, body }, context);
        if (!result.ok) throw new Error('thrown away');
        expect(result.value.accessToken.reveal()).toBe(access);
        expect(result.value.refreshToken?.reveal()).toBe(refresh);
        expect(Number.isSafeInteger(result.value.expiresInSeconds) && result.value.expiresInSeconds >= 0).toBe(true);
      }),
    );
  });

  it('asks for a pause of nothing to a day, or for none', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.nat().map(String)), (value) => {
        const ms = parseRetryAfter(value, context.nowMs);
        expect(ms === null || (ms >= 0 && ms <= 86_400_000)).toBe(true);
      }),
    );
  });
});
