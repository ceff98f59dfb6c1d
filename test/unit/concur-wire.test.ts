/** Requests and answers of the protocol as they are on the wire. Longer than 300 lines: they are written out. */
import { describe, expect, it } from 'vitest';
import { createDataCentres, publishedDataCentres } from '../../concur/data-centres.ts';
import { buildExchangeRequest } from '../../concur/exchange.ts';
import { buildJwksRequest, processJwksResponse } from '../../concur/jwks.ts';
import { buildProfileRequest, processProfileResponse } from '../../concur/profile.ts';
import { buildRefreshRequest } from '../../concur/refresh.ts';
import { parseRetryAfter } from '../../concur/retry-after.ts';
import { buildRevokeRequest, processRevokeResponse } from '../../concur/revoke.ts';
import { processTokenResponse } from '../../concur/token-response.ts';
import type { HttpResponse } from '../../core/ports.ts';
import { Secret } from '../../core/secret.ts';

const nowMs = Date.UTC(2026, 7, 1);
const context = { dataCentres: createDataCentres(publishedDataCentres), nowMs, sentAtMs: nowMs };
const baseUri = 'https://us2.api.concursolutions.com';
const credentials = { clientId: 'client & co', clientSecret: new Secret('s=e+c r%t') };

function json(status: number, body: unknown, headers: Record<string, string> = {}): HttpResponse {
  return { status, headers, body: JSON.stringify(body) };
}

const tokenBody = {
  expires_in: '3600',
  scope: 'openid EXPRPT company.read',
  token_type: 'Bearer',
  access_token: 'access-1',
  refresh_token: 'refresh-1',
  refresh_expires_in: nowMs / 1_000 + 15_552_000,
  id_token: 'a.b.c',
  geolocation: 'https://US2.api.concursolutions.com/some/path',
};

function processed(body: unknown) {
  const result = processTokenResponse(json(200, body), context);
  if (!result.ok) throw new Error('expected a token answer');
  return result.value;
}

describe('a token request', () => {
  const exchange = buildExchangeRequest({
    baseUri: 'https://glz.api.concursolutions.com',
    credentials,
    principal: '0b4b5c4e-0000-4000-8000-000000000001',
    requestToken: new Secret('request token'),
  });
  const refresh = buildRefreshRequest({ baseUri, credentials, refreshToken: new Secret('a/b+c=') });

  it('for an exchange is the password grant with credtype authtoken', () => {
    expect(exchange).toMatchObject({ method: 'POST', url: 'https://glz.api.concursolutions.com/oauth2/v0/token' });
    expect(Object.fromEntries(new URLSearchParams(exchange.body))).toEqual({
      client_id: 'client & co',
      client_secret: 's=e+c r%t',
      grant_type: 'password',
      username: '0b4b5c4e-0000-4000-8000-000000000001',
      password: 'request token',
      credtype: 'authtoken',
    });
  });

  it('for a refresh is the refresh_token grant without a scope', () => {
    expect(refresh.url).toBe('https://us2.api.concursolutions.com/oauth2/v0/token');
    expect(Object.fromEntries(new URLSearchParams(refresh.body))).toEqual({
      client_id: 'client & co',
      client_secret: 's=e+c r%t',
      grant_type: 'refresh_token',
      refresh_token: 'a/b+c=',
    });
  });

  it('has the bare content type that Concur insists on, and no secret in its URL or headers', () => {
    for (const request of [exchange, refresh]) {
      expect(request.headers['content-type']).toBe('application/x-www-form-urlencoded');
      expect(JSON.stringify([request.url, request.headers])).not.toMatch(/s=e|request|a\/b/);
    }
  });

  it('goes below the path of a base URI, with or without a slash at its end', () => {
    for (const base of ['http://127.0.0.1:9400/us2', 'http://127.0.0.1:9400/us2/']) {
      const { url } = buildRefreshRequest({ baseUri: base, credentials, refreshToken: new Secret('x') });
      expect(url).toBe('http://127.0.0.1:9400/us2/oauth2/v0/token');
    }
  });
});

describe('the other requests', () => {
  const accessToken = new Secret('access-1');

  it('are what the documentation says', () => {
    expect(buildRevokeRequest({ baseUri, accessToken })).toEqual({
      method: 'DELETE',
      url: `${baseUri}/app-mgmt/v0/connections`,
      headers: { authorization: 'Bearer access-1', accept: 'application/json' },
    });
    expect(buildProfileRequest({ baseUri, accessToken })).toEqual({
      method: 'GET',
      url: `${baseUri}/profile/v1/me`,
      headers: { authorization: 'Bearer access-1', accept: 'application/json' },
    });
    expect(buildJwksRequest({ baseUri })).toMatchObject({ method: 'GET', url: `${baseUri}/oauth2/v0/jwks` });
  });
});

describe('a token answer', () => {
  it('is read with all its quirks', () => {
    const answer = processed(tokenBody);
    expect(answer).toMatchObject({
      scope: 'openid EXPRPT company.read',
      expiresInSeconds: 3_600,
      refreshExpiresAtMs: nowMs + 15_552_000_000,
      geolocationRaw: 'https://US2.api.concursolutions.com/some/path',
      geolocation: { name: 'us2', baseUri },
    });
    expect(answer.accessToken.reveal()).toBe('access-1');
    expect(answer.refreshToken?.reveal()).toBe('refresh-1');
    expect(answer.idToken?.reveal()).toBe('a.b.c');
  });

  it('does without refresh token, its end, id_token, geolocation and scope', () => {
    expect(processed({ access_token: 'a', expires_in: 3_600 })).toMatchObject({
      refreshToken: null,
      refreshExpiresAtMs: null,
      idToken: null,
      geolocation: null,
      geolocationRaw: null,
      scope: '',
    });
    expect(processed({ ...tokenBody, refresh_token: null, geolocation: '' })).toMatchObject({
      refreshToken: null,
      geolocation: null,
    });
  });

  it.each([
    [3_600, 3_600],
    ['3600', 3_600],
    [' 15 ', 15],
    [3_599.9, 3_599],
    [0, 0],
    [undefined, 3_600],
    [null, 3_600],
    ['soon', 3_600],
    [-5, 3_600],
    [Number.NaN, 3_600],
    [1e300, 3_600],
    [1e12, 3_600],
    ['99999999999999', 3_600],
    [86_400, 86_400],
    [86_401, 3_600],
  ])('with expires_in %j lives %i seconds and is never thrown away for it', (given, seconds) => {
    expect(processed({ ...tokenBody, expires_in: given }).expiresInSeconds).toBe(seconds);
  });

  it.each([
    [nowMs / 1_000 + 60, nowMs + 60_000],
    [String(nowMs / 1_000 + 60), nowMs + 60_000],
    ['a duration', null],
    [15_552_000, null],
    [nowMs + 15_552_000_000, null],
    [-1, null],
    [undefined, null],
  ])('with refresh_expires_in %j ends at %j, as that is an absolute time', (given, endMs) => {
    expect(processed({ ...tokenBody, refresh_expires_in: given }).refreshExpiresAtMs).toBe(endMs);
  });

  it('that names a host nobody knows says so, and keeps what it said for the record', () => {
    expect(processed({ ...tokenBody, geolocation: 'https://evil.example' })).toMatchObject({
      geolocation: 'foreign',
      geolocationRaw: 'https://evil.example',
    });
  });

  it('prints no token in any form', () => {
    const answer = processed(tokenBody);
    expect(`${JSON.stringify(answer)}${String(answer.accessToken)}`).not.toMatch(/access-1|refresh-1|a\.b\.c/);
  });

  it.each([
    ['not JSON', { status: 200, headers: {}, body: '<html>' }, 'no-json'],
    ['an array', json(200, [tokenBody]), 'no-json'],
    ['null', json(200, null), 'no-json'],
    ['empty', { status: 200, headers: {}, body: '' }, 'no-json'],
    ['without access token', json(200, { refresh_token: 'r' }), 'no-access-token'],
    ['with an empty access token', json(200, { access_token: '' }), 'no-access-token'],
    ['with an access token that no header can hold', json(200, { access_token: 'a\r\nb' }), 'no-access-token'],
  ])('that is %s is malformed', (_what, response, what) => {
    expect(processTokenResponse(response, context)).toMatchObject({
      ok: false,
      failure: { kind: 'malformed', status: 200, what },
    });
  });
});

describe('a refusal', () => {
  const refusal = (response: HttpResponse) => {
    const result = processTokenResponse(response, context);
    if (result.ok || result.failure.kind !== 'answer') throw new Error('expected a refusal');
    return result.failure;
  };

  it('is read with its code as number or string', () => {
    for (const code of [108, '108']) {
      const body = { code, error: 'invalid_grant', error_description: 'Bad or expired refresh token' };
      expect(refusal(json(400, body))).toEqual({
        kind: 'answer',
        status: 400,
        concurCode: 108,
        oauthError: 'invalid_grant',
        retryAfterMs: null,
        geolocation: null,
      });
    }
  });

  it('may come with status 200', () => {
    expect(refusal(json(200, { code: 64, error: 'invalid_client' }))).toMatchObject({ status: 200, concurCode: 64 });
    expect(refusal(json(200, { error: 'invalid_grant' }))).toMatchObject({ oauthError: 'invalid_grant' });
  });

  it('may be a page of HTML', () => {
    expect(refusal({ status: 503, headers: { 'retry-after': '120' }, body: '<html>Down</html>' })).toMatchObject({
      status: 503,
      concurCode: null,
      retryAfterMs: 120_000,
    });
  });

  it('keeps only the errors of RFC 6749: free text from outside goes nowhere', () => {
    expect(refusal(json(400, { error: 'token abc-secret is bad' })).oauthError).toBeNull();
    expect(refusal(json(400, { error: { a: 1 }, code: 'x' }))).toMatchObject({ oauthError: null, concurCode: null });
  });

  it('with code 16 says where, if it is somewhere known', () => {
    const at = (geolocation: unknown) => refusal(json(400, { code: 16, geolocation })).geolocation;
    expect(at('https://EU2.api.concursolutions.com')).toMatchObject({ name: 'eu2' });
    expect(at('https://evil.example')).toBe('foreign');
    expect(at(17)).toBeNull();
    expect(at(undefined)).toBeNull();
  });

  it('is no token answer even when it carries tokens', () => {
    expect(refusal(json(400, tokenBody))).toMatchObject({ status: 400 });
  });
});

describe('Retry-After', () => {
  it.each([
    ['0', 0],
    ['7', 7_000],
    [' 30 ', 30_000],
    ['Sat, 01 Aug 2026 00:01:00 GMT', 60_000],
    ['Saturday, 01-Aug-26 00:01:00 GMT', 60_000],
    ['Fri, 31 Jul 2026 00:00:00 GMT', 0],
    ['999999999', 86_400_000],
    ['Sat, 01 Aug 2099 00:01:00 GMT', 86_400_000],
    ['soon', null],
    ['-5', null],
    ['1.5', null],
    ['', null],
    [undefined, null],
  ])('of %j is %j ms', (value, ms) => {
    expect(parseRetryAfter(value, nowMs)).toBe(ms);
  });
});

describe('a revoke', () => {
  it('is confirmed by any 2xx without an error in it', () => {
    for (const response of [json(200, {}), json(200, { status: 'ok' }), { status: 204, headers: {}, body: '' }]) {
      expect(processRevokeResponse(response, context)).toEqual({ ok: true, value: null });
    }
  });

  it('is not confirmed by a 200 that speaks of an error, nor by anything else', () => {
    expect(processRevokeResponse(json(200, { code: 108 }), context)).toMatchObject({ failure: { concurCode: 108 } });
    expect(processRevokeResponse(json(403, {}), context)).toMatchObject({ failure: { status: 403 } });
    expect(processRevokeResponse({ status: 302, headers: {}, body: '' }, context).ok).toBe(false);
  });
});

describe('a profile', () => {
  it('of a company has its name and domain', () => {
    const body = {
      id: 'ABC-1',
      name: ' Acme\nCorp ',
      companyDomain: 'acme.example',
      meta: { principalType: 'company' },
    };
    expect(processProfileResponse(json(200, body), context)).toEqual({
      ok: true,
      value: { id: 'abc-1', type: 'company', name: 'Acme Corp', domain: 'acme.example' },
    });
  });

  it('holds no half of a character, whether it came like that or was cut', () => {
    const nameOf = (name: string) => {
      const result = processProfileResponse(
        json(200, { id: 'c-1', name, meta: { principalType: 'company' } }),
        context,
      );
      return result.ok ? result.value.name : null;
    };
    expect(nameOf('A \ud83d B')).toBe('A \ufffd B');
    expect(nameOf(`${'x'.repeat(199)}\u{1f600}`)).toBe(`${'x'.repeat(199)}\ufffd`);
    expect(nameOf('\u{1f600}')).toBe('\u{1f600}');
  });

  it('of a user has the name that is shown', () => {
    const body = { id: 'u-1', displayName: 'Ann', active: true, emails: [] };
    expect(processProfileResponse(json(200, body), context)).toEqual({
      ok: true,
      value: { id: 'u-1', type: 'user', name: 'Ann', domain: null },
    });
  });

  it('without an id is malformed, and a refusal is one', () => {
    expect(processProfileResponse(json(200, { name: 'x' }), context)).toMatchObject({ failure: { what: 'no-id' } });
    expect(processProfileResponse(json(403, {}), context)).toMatchObject({ failure: { status: 403 } });
  });
});

describe('a key set', () => {
  it('keeps what is an object and leaves the rest', () => {
    expect(processJwksResponse(json(200, { keys: [{ kty: 'RSA' }, null, 'x', []] }), context)).toEqual({
      ok: true,
      value: { keys: [{ kty: 'RSA' }] },
    });
    expect(processJwksResponse(json(200, {}), context)).toMatchObject({ failure: { what: 'no-keys' } });
  });
});
