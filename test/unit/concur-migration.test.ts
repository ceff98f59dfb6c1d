/** The migration's exchange, and the password grant of a user's own login: what is sent, and how the answer is read. */
import { describe, expect, it } from 'vitest';
import { createDataCentres, publishedDataCentres } from '../../concur/data-centres.ts';
import { buildPasswordRequest } from '../../concur/exchange-password.ts';
import { buildMigrationRequest, processMigrationResponse } from '../../concur/migration.ts';
import { Secret } from '../../core/secret.ts';

const nowMs = Date.UTC(2026, 7, 1);
const context = { dataCentres: createDataCentres(publishedDataCentres), nowMs, sentAtMs: nowMs };
const baseUri = 'https://us2.api.concursolutions.com';
const clientSecret = new Secret('s=e+c r%t');
const user = '8568A4CD-8FFC-49D6-9417-BE2D69AA0001';

const body = {
  token: 'new-refresh-token',
  created: nowMs,
  expired: nowMs + 15_552_000_000,
  scopes: 'openid EXPRPT',
  context: JSON.stringify({ userid: user, cid: '8568a4cd-8ffc-49d6-9417-be2d69aa0002', ptype: 'user' }),
};

function read(value: unknown, status = 200) {
  return processMigrationResponse({ status, headers: {}, body: JSON.stringify(value) }, context);
}

function grantOf(value: unknown) {
  const result = read(value);
  if (!result.ok) throw new Error(`expected a grant: ${JSON.stringify(result.failure)}`);
  return result.value;
}

describe('a migration request', () => {
  const input = {
    baseUri,
    appToken: new Secret('app-token'),
    clientSecret,
    legacyClientId: 'old/key ?',
    legacyRefreshToken: new Secret('old-refresh'),
  };

  it('carries the secrets in its body and header, and the old key in its path', () => {
    const request = buildMigrationRequest({ ...input, principal: 'user' });
    expect(request).toEqual({
      method: 'POST',
      url: `${baseUri}/appmgmt/v0/legacyApps/old%2Fkey%20%3F/exchangeRefreshToken/me`,
      headers: { authorization: 'Bearer app-token', 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ token: 'old-refresh', secret: 's=e+c r%t' }),
    });
  });

  it('asks for the company where the app is one of companies', () => {
    expect(buildMigrationRequest({ ...input, principal: 'company' }).url).toMatch(/\/me\?returnType=companyToken$/);
  });
});

describe('a migration answer', () => {
  it('has the new refresh token, its end in milliseconds, the scopes, and whose it is', () => {
    const { refreshToken, ...rest } = grantOf(body);
    expect(refreshToken.reveal()).toBe('new-refresh-token');
    expect(rest).toEqual({
      refreshExpiresAtMs: nowMs + 15_552_000_000,
      scope: 'openid EXPRPT',
      subject: user.toLowerCase(),
      principalType: 'user',
    });
  });

  it('names the company where the context says so, also as an object', () => {
    const cid = '8568a4cd-8ffc-49d6-9417-be2d69aa0002';
    for (const value of [{ userid: user, cid, ptype: 'COMPANY' }, JSON.stringify({ cid, ptype: 'company' })]) {
      expect(grantOf({ ...body, context: value })).toMatchObject({ subject: cid, principalType: 'company' });
    }
  });

  it.each([
    ['no context', undefined],
    ['a context that is no JSON', 'x'],
    ['no kind of principal', '{"userid":"8568a4cd-8ffc-49d6-9417-be2d69aa0001"}'],
    ['an id that is no UUID', '{"userid":"wilma@acme.example","ptype":"user"}'],
    ['only the other id', '{"cid":"8568a4cd-8ffc-49d6-9417-be2d69aa0001","ptype":"user"}'],
    ['null', null],
  ])('with %s names nobody', (_what, value) => {
    expect(grantOf({ ...body, context: value }).subject).toBeNull();
  });

  it.each([
    ['missing', undefined, null],
    ['in the past', nowMs - 1, null],
    ['in seconds', nowMs / 1_000 + 15_552_000, null],
    ['in microseconds', (nowMs + 15_552_000_000) * 1_000, null],
    ['a string of digits', String(nowMs + 1_000), nowMs + 1_000],
  ])('whose end is %s', (_what, expired, expected) => {
    expect(grantOf({ ...body, expired }).refreshExpiresAtMs).toBe(expected);
  });

  it('takes scopes as a list too', () => {
    expect(grantOf({ ...body, scopes: ['openid', 'EXPRPT'] }).scope).toBe('openid EXPRPT');
  });

  it.each([
    [400, { error: 'INVALIDTOKEN' }],
    [200, { code: 'InvalidToken', message: 'x' }],
    [400, { errors: [{ errorCode: 'INVALIDTOKEN' }] }],
    [400, { error: { code: 'INVALIDTOKEN' } }],
  ])('with status %i refuses by name, wherever it stands', (status, value) => {
    const result = read(value, status);
    expect(result).toMatchObject({ ok: false, failure: { kind: 'answer', status, providerCode: 'INVALIDTOKEN' } });
  });

  it('without a token is malformed, and a refusal is read by its code as everywhere', () => {
    expect(read({})).toMatchObject({ ok: false, failure: { kind: 'malformed', what: 'no-token' } });
    expect(read({ code: 61 }, 401)).toMatchObject({ ok: false, failure: { concurCode: 61 } });
    const html = processMigrationResponse({ status: 503, headers: { 'retry-after': '9' }, body: '<html>' }, context);
    expect(html).toMatchObject({ ok: false, failure: { kind: 'answer', status: 503, retryAfterMs: 9_000 } });
  });
});

describe("the request for a user's own login", () => {
  it('is the password grant with credtype password, the login in its body', () => {
    const request = buildPasswordRequest({
      baseUri,
      credentials: { clientId: 'client', clientSecret },
      username: 'wilma+x@acme.example',
      password: new Secret('p&ss w=rd'),
    });
    expect(request).toMatchObject({ method: 'POST', url: `${baseUri}/oauth2/v0/token` });
    expect(Object.fromEntries(new URLSearchParams(request.body))).toEqual({
      client_id: 'client',
      client_secret: 's=e+c r%t',
      grant_type: 'password',
      username: 'wilma+x@acme.example',
      password: 'p&ss w=rd',
      credtype: 'password',
    });
  });
});
