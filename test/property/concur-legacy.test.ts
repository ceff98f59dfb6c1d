/** Whatever the endpoints of before 2017, and the migration, send. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseXml } from '../../concur/answer-xml.ts';
import { createDataCentres, publishedDataCentres } from '../../concur/data-centres.ts';
import { parseLegacyDate } from '../../concur/legacy-date.ts';
import { packLegacyGrant, unpackLegacyGrant } from '../../concur/legacy-grant.ts';
import { processLegacyRevokeResponse } from '../../concur/legacy-revoke.ts';
import { processLegacyTokenResponse } from '../../concur/legacy-token.ts';
import { processMigrationResponse } from '../../concur/migration.ts';
import { Secret } from '../../core/secret.ts';
import { formatLegacyDate } from '../../dev/sandbox/protocol/legacy-date.ts';
import { publishedLegacyBaseUris } from '../../runtime/base-uris.ts';

const sentAtMs = Date.UTC(2026, 7, 1);
const dataCentres = createDataCentres(publishedDataCentres, publishedLegacyBaseUris);
const context = { dataCentres, sentAtMs, nowMs: sentAtMs + 1_000 };

const names = [
  'Access_Token',
  'Token',
  'Expiration_date',
  'Expiration_Date',
  'Instance_Url',
  'Refresh_Token',
  'Error',
  'Message',
  'Code',
  'x:Token',
  'html',
];
const name = fc.constantFrom(...names);
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    't0ken',
    '3/30/2027 1:11:11 PM',
    'https://eu1.concursolutions.com/',
    '&amp;',
    '&evil;',
    '&#x0;',
    ']]>',
    '61',
  ),
);
/** Pieces of documents, put together in good and bad order. */
const piece = fc.oneof(
  name.map((one) => `<${one}>`),
  name.map((one) => `</${one}>`),
  name.map((one) => `<${one}/>`),
  fc.tuple(name, text).map(([one, inner]) => `<${one}>${inner}</${one}>`),
  text,
  fc.constantFrom(
    '<?xml version="1.0"?>',
    '<!DOCTYPE x [<!ENTITY a "b">]>',
    '<!-- ',
    ' -->',
    '<![CDATA[',
    '<a b="',
    '<a b=c>',
    '\ufeff',
    '\0',
  ),
);
const bodies = fc.oneof(
  fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join('')),
  fc.array(piece, { maxLength: 12 }).map((pieces) => `<Access_Token>${pieces.join('')}</Access_Token>`),
  fc.string({ unit: 'binary' }),
  fc.json(),
);
/** As Concur sends it, but for what stands around the token: without it hardly a body out of a thousand is an answer. */
const nearlyAnswers = fc
  .tuple(fc.array(piece, { maxLength: 4 }), fc.array(piece, { maxLength: 8 }))
  .map(([before, after]) => `<Access_Token>${before.join('')}<Token>t0ken</Token>${after.join('')}</Access_Token>`);
const responses = fc.record({
  status: fc.oneof(fc.integer({ min: 100, max: 599 }), fc.integer({ min: 200, max: 299 })),
  headers: fc.constant({}),
  body: fc.oneof(bodies, nearlyAnswers),
});

describe('whatever a legacy endpoint sends', () => {
  it('is either a usable answer or a failure, and never an exception', () => {
    let tokens = 0;
    fc.assert(
      fc.property(responses, (response) => {
        const result = processLegacyTokenResponse(response, context, null);
        if (result.ok) {
          tokens += 1;
          expect(response.status >= 200 && response.status < 300).toBe(true);
          expect(result.value.accessToken.reveal()).toMatch(/^[\x21-\x7e]+$/);
          expect(result.value.expiresInSeconds).toBeGreaterThanOrEqual(0);
          expect(result.value.refreshToken?.reveal()).toMatch(/^[\w.-]+$/);
        } else expect(['answer', 'malformed']).toContain(result.failure.kind);
        const revoked = processLegacyRevokeResponse(response, context);
        if (revoked.ok) expect(response.status >= 200 && response.status < 300).toBe(true);
      }),
      { numRuns: 3_000 },
    );
    expect(tokens).toBeGreaterThan(0);
  });

  it('is a token answer whenever it is a 2xx whose token is whole, whatever comes behind it', () => {
    const token = fc.stringMatching(/^[\w+/=]{1,60}$/);
    fc.assert(
      fc.property(token, fc.array(piece, { maxLength: 10 }), (value, rest) => {
        const body = `<Access_Token><Token>${value}</Token>${rest.join('')}`;
        const result = processLegacyTokenResponse({ status: 200, headers: {}, body }, context, null);
        expect(result.ok && result.value.accessToken.reveal()).toBe(value);
      }),
    );
  });

  it('is read without a text that no element of the document holds', () => {
    fc.assert(
      fc.property(bodies, (body) => {
        for (const [, value] of parseXml(body)?.texts ?? []) expect(value.length).toBeLessThanOrEqual(body.length);
      }),
    );
  });
});

describe('whatever a migration sends', () => {
  it('is either a grant or a failure, and never an exception', () => {
    const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('INVALIDTOKEN', '{"ptype":"company"}', 't'));
    const body = fc
      .record(
        { token: value, created: value, expired: value, scopes: value, context: value, error: value },
        { requiredKeys: [] },
      )
      .map((one) => JSON.stringify(one));
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), fc.oneof(body, bodies), (status, one) => {
        const result = processMigrationResponse({ status, headers: {}, body: one }, context);
        if (result.ok) expect(result.value.subject ?? '').toMatch(/^([0-9a-f-]{36})?$/);
        else expect(['answer', 'malformed']).toContain(result.failure.kind);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a legacy date', () => {
  it('is read back as it was written, to the second', () => {
    const seconds = fc.integer({ min: Date.UTC(1_000, 0, 1) / 1_000, max: Date.UTC(9_999, 11, 31) / 1_000 });
    fc.assert(
      fc.property(seconds, (one) => {
        expect(parseLegacyDate(formatLegacyDate(one * 1_000))).toBe(one * 1_000);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is a time or nothing, whatever the text', () => {
    const digits = fc.stringMatching(/^\d{1,2}\/\d{1,2}\/\d{4} \d{1,2}:\d{2}(:\d{2})?( [AP]M)?$/);
    fc.assert(
      fc.property(fc.oneof(digits, fc.string()), (one) => {
        const atMs = parseLegacyDate(one);
        expect(atMs === null || Number.isSafeInteger(atMs)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a legacy grant', () => {
  it('gives back whatever was packed', () => {
    const secret = fc.string({ minLength: 1, unit: 'grapheme' });
    fc.assert(
      fc.property(secret, fc.option(secret), (token, refreshToken) => {
        const packed = packLegacyGrant({
          token: new Secret(token),
          refreshToken: refreshToken === null ? null : new Secret(refreshToken),
        });
        const opened = unpackLegacyGrant(new Secret(packed.reveal()));
        expect([opened.token.reveal(), opened.refreshToken?.reveal() ?? null]).toEqual([token, refreshToken]);
      }),
    );
  });
});
