/**
 * The flow of before 2017: its requests, its XML, its dates, and the grant that is packed of both. Longer than 300
 * lines: requests and answers are written out as they are on the wire.
 */
import { describe, expect, it } from 'vitest';
import { parseXml } from '../../concur/answer-xml.ts';
import { createDataCentres, publishedDataCentres } from '../../concur/data-centres.ts';
import { parseLegacyDate } from '../../concur/legacy-date.ts';
import { packLegacyGrant, unpackLegacyGrant } from '../../concur/legacy-grant.ts';
import { buildLegacyRevokeRequest, processLegacyRevokeResponse } from '../../concur/legacy-revoke.ts';
import {
  buildLegacyCodeRequest,
  buildLegacyRefreshRequest,
  processLegacyTokenResponse,
} from '../../concur/legacy-token.ts';
import type { HttpResponse } from '../../core/ports.ts';
import { Secret } from '../../core/secret.ts';
import { publishedLegacyBaseUris } from '../../runtime/base-uris.ts';

const sentAtMs = Date.UTC(2026, 2, 30, 13, 11, 11);
const dataCentres = createDataCentres(publishedDataCentres, publishedLegacyBaseUris);
const context = { dataCentres, sentAtMs, nowMs: sentAtMs + 2_000 };
const baseUri = 'https://www.concursolutions.com/';
const credentials = { clientId: 'key & co', clientSecret: new Secret('s=e+c r%t') };

function xml(body: string, status = 200): HttpResponse {
  return { status, headers: { 'content-type': 'application/xml' }, body };
}

const whole = `<?xml version="1.0" encoding="utf-8"?>
<Access_Token xmlns:i="http://www.w3.org/2001/XMLSchema-instance">
  <Instance_Url>https://EU1.concursolutions.com/</Instance_Url>
  <Token>rbzeGkqUmnRTEUC22JSWCXZDMjg=</Token>
  <Expiration_date>3/30/2027 1:11:11 PM</Expiration_date>
  <Refresh_Token>ZRNY1&amp;QULG4</Refresh_Token>
</Access_Token>`;

function answerOf(body: string, sent: Secret | null = null) {
  const result = processLegacyTokenResponse(xml(body), context, sent);
  if (!result.ok) throw new Error(`expected a token: ${JSON.stringify(result.failure)}`);
  return result.value;
}

function grantOf(secret: Secret | null) {
  if (secret === null) throw new Error('expected a grant');
  const { token, refreshToken } = unpackLegacyGrant(secret);
  return [token.reveal(), refreshToken?.reveal() ?? null];
}

describe('a legacy request', () => {
  it('for a token carries code, key and secret in its query, as Concur wants it', () => {
    const { method, url, headers, body } = buildLegacyCodeRequest({ baseUri, credentials, code: new Secret('a+b&c') });
    expect([method, body, headers]).toEqual(['GET', undefined, { accept: 'application/xml' }]);
    const { origin, pathname, searchParams } = new URL(url);
    expect(origin + pathname).toBe('https://www.concursolutions.com/net2/oauth2/getaccesstoken.ashx');
    expect(Object.fromEntries(searchParams)).toEqual({
      code: 'a+b&c',
      client_id: 'key & co',
      client_secret: 's=e+c r%t',
    });
  });

  it.each([
    ['the refresh token', new Secret('refresh'), 'refresh'],
    ['the token itself where Concur returned no refresh token', null, 'token'],
  ])('for a refresh shows the living token and sends %s', (_what, refreshToken, sent) => {
    const grant = { token: new Secret('token'), refreshToken };
    const { url, headers } = buildLegacyRefreshRequest({ baseUri, credentials, grant });
    expect(headers.authorization).toBe('OAuth token');
    expect(new URL(url).searchParams.get('refresh_token')).toBe(sent);
    expect(new URL(url).searchParams.has('code')).toBe(false);
  });

  it('to revoke names the token in its query and has an empty body', () => {
    const request = buildLegacyRevokeRequest({ baseUri, accessToken: new Secret('a/b+c=') });
    expect(request).toEqual({
      method: 'POST',
      url: 'https://www.concursolutions.com/net2/oauth2/revoketoken.ashx?token=a%2Fb%2Bc%3D',
      headers: { authorization: 'OAuth a/b+c=', accept: 'application/xml' },
      body: '',
    });
  });
});

describe('a legacy token answer', () => {
  it('has the one-year token, its end, the instance, and both values in the grant', () => {
    const answer = answerOf(whole);
    expect(answer).toMatchObject({
      tokenType: 'OAuth',
      idToken: null,
      scope: '',
      expiresInSeconds: 365 * 24 * 3_600,
      refreshExpiresAtMs: Date.UTC(2027, 2, 30, 13, 11, 11),
      geolocation: { name: 'eu1', baseUri: 'https://eu1.concursolutions.com' },
    });
    expect(answer.accessToken.reveal()).toBe('rbzeGkqUmnRTEUC22JSWCXZDMjg=');
    expect(grantOf(answer.refreshToken)).toEqual(['rbzeGkqUmnRTEUC22JSWCXZDMjg=', 'ZRNY1&QULG4']);
  });

  it('may spell the date otherwise, and leave out instance and refresh token', () => {
    const answer = answerOf(
      '<Access_Token><Token>t</Token><Expiration_Date>3/30/2027 1:11:11 PM</Expiration_Date></Access_Token>',
    );
    expect(answer).toMatchObject({ geolocation: null, geolocationRaw: null, expiresInSeconds: 31_536_000 });
    expect(grantOf(answer.refreshToken)).toEqual(['t', null]);
  });

  it('to a refresh keeps the refresh value that was sent where it brings no other', () => {
    const body = '<Access_Token><Token>t2</Token></Access_Token>';
    expect(grantOf(answerOf(body, new Secret('r1')).refreshToken)).toEqual(['t2', 'r1']);
    expect(grantOf(answerOf(whole, new Secret('r1')).refreshToken)[1]).toBe('ZRNY1&QULG4');
  });

  it.each([
    'https://evil.example/',
    'https://www.concursolutions.com.evil.example',
    'http://www.concursolutions.com',
    'https://us2.api.concursolutions.com',
    'javascript:alert(1)',
  ])('that names another instance than the known ones is foreign: %s', (url) => {
    const body = `<Access_Token><Token>t</Token><Instance_Url>${url}</Instance_Url></Access_Token>`;
    expect(answerOf(body).geolocation).toBe('foreign');
  });

  it.each(['', '30.3.2027', '3/30/2020 1:11:11 PM', '1/1/2999 1:11:11 PM', '2/30/2027 1:11:11 PM'])(
    'whose end says nothing is looked after daily: "%s"',
    (date) => {
      const answer = answerOf(
        `<Access_Token><Token>t</Token><Expiration_date>${date}</Expiration_date></Access_Token>`,
      );
      expect(answer).toMatchObject({ expiresInSeconds: 86_400, refreshExpiresAtMs: null });
    },
  );

  it('is not thrown away for a flaw behind its token', () => {
    expect(answerOf('<Access_Token><Token>t</Token><Instance_Url>https://a?x&y</Instance').accessToken.reveal()).toBe(
      't',
    );
    expect(answerOf('<Access_Token><Token>t</Token>').accessToken.reveal()).toBe('t');
  });
});

describe('what the legacy endpoint says instead', () => {
  const refusal = (response: HttpResponse) => {
    const result = processLegacyTokenResponse(response, context, null);
    if (result.ok) throw new Error('expected no token');
    return result.failure;
  };

  it.each([200, 400, 401])('is an error, also with status 200 (here %i)', (status) => {
    const body = '<Error><Message>Invalid code: s3cret</Message><Server-Time>x</Server-Time><Id>y</Id></Error>';
    const failure = refusal(xml(body, status));
    expect(failure).toMatchObject({ kind: 'answer', status, providerCode: 'LEGACY_ERROR', concurCode: null });
    expect(JSON.stringify(failure)).not.toContain('s3cret');
  });

  it('is a code where there is one', () => {
    expect(refusal(xml('<Error><Code>61</Code><Message>x</Message></Error>', 403))).toMatchObject({ concurCode: 61 });
    expect(refusal({ status: 403, headers: {}, body: '{"code":61,"error":"invalid_client"}' })).toMatchObject({
      concurCode: 61,
      oauthError: 'invalid_client',
    });
  });

  it('is a page: malformed with 200, a refusal without a code otherwise', () => {
    const page = '<!DOCTYPE html><html><body><Access_Token><Token>t</Token></Access_Token></body></html>';
    expect(refusal(xml(page))).toEqual({ kind: 'malformed', status: 200, what: 'no-xml' });
    expect(refusal(xml('<html><body>Sign in</body></html>'))).toMatchObject({ what: 'no-access-token' });
    const down = refusal({ ...xml(page, 503), headers: { 'retry-after': '7' } });
    expect(down).toMatchObject({ kind: 'answer', status: 503, retryAfterMs: 7_000 });
    expect(down).not.toHaveProperty('providerCode');
  });

  it.each([
    '',
    'hello',
    '{}',
    '<a>',
    '<Access_Token/>',
    '<Access_Token><Token></Token></Access_Token>',
    '<Token>t</Token>',
  ])('is nothing of use: %s', (body) => {
    expect(refusal(xml(body)).kind).toBe('malformed');
  });

  it('is a token with a failing status, which counts for nothing', () => {
    expect(refusal(xml(whole, 500))).toMatchObject({ kind: 'answer', status: 500 });
  });
});

describe('a legacy revoke answer', () => {
  it.each(['', ' ', '<Response><Status>SUCCESS</Status></Response>', 'OK'])('confirms: "%s"', (body) => {
    expect(processLegacyRevokeResponse(xml(body), context)).toEqual({ ok: true, value: null });
  });

  it.each([
    '<Error><Message>no</Message></Error>',
    '<html><body>Sign in</body></html>',
    '<!DOCTYPE html><p>Sign in',
    '{"code":5,"error":"invalid_grant"}',
  ])('does not confirm: %s', (body) => {
    expect(processLegacyRevokeResponse(xml(body), context).ok).toBe(false);
  });

  it('with a failing status does not confirm', () => {
    expect(processLegacyRevokeResponse(xml('', 401), context)).toMatchObject({
      failure: { kind: 'answer', status: 401 },
    });
  });
});

describe('a date of the legacy flow', () => {
  it.each([
    ['3/30/2027 1:11:11 PM', Date.UTC(2027, 2, 30, 13, 11, 11)],
    ['03/30/2027 01:11:11 pm', Date.UTC(2027, 2, 30, 13, 11, 11)],
    ['3/30/2027 12:00:00 AM', Date.UTC(2027, 2, 30)],
    ['3/30/2027 12:59:59 AM', Date.UTC(2027, 2, 30, 0, 59, 59)],
    ['3/30/2027 12:00:00 PM', Date.UTC(2027, 2, 30, 12)],
    ['3/30/2027 11:59:59 PM', Date.UTC(2027, 2, 30, 23, 59, 59)],
    ['2/29/2028 12:30:00 AM', Date.UTC(2028, 1, 29, 0, 30)],
    ['12/31/2027 11:59 PM', Date.UTC(2027, 11, 31, 23, 59)],
    ['3/30/2027 13:11:11', Date.UTC(2027, 2, 30, 13, 11, 11)],
    ['3/30/2027 1:11:11\u202fPM', Date.UTC(2027, 2, 30, 13, 11, 11)],
    [' 3/30/2027 1:11:11 PM UTC ', Date.UTC(2027, 2, 30, 13, 11, 11)],
  ])('is month, day, year, in UTC: %s', (text, atMs) => {
    expect(parseLegacyDate(text)).toBe(atMs);
  });

  it.each([
    '2/29/2027 1:00:00 PM',
    '13/1/2027 1:00:00 PM',
    '0/1/2027 1:00:00 PM',
    '4/31/2027 1:00:00 PM',
    '3/30/2027 0:11:11 AM',
    '3/30/2027 13:11:11 PM',
    '3/30/2027 1:60:11 PM',
    '3/30/2027 1:11:60 PM',
    '3/30/2027 24:11:11',
    '3/30/27 1:11:11 PM',
    '3/30/0027 1:11:11 PM',
    '3/30/2027',
    '2027-03-30T13:11:11Z',
    'soon',
    '',
  ])('is nothing else: %s', (text) => {
    expect(parseLegacyDate(text)).toBeNull();
  });
});

describe('the XML reader', () => {
  it('takes texts of elements without children, by name in lower case and without prefix, the first of several', () => {
    const read = parseXml('<a:Root><B> x <C>1</C> y </B><c>2</c><D><![CDATA[a<b]]></D></a:Root>');
    expect([...(read?.texts ?? [])]).toEqual([
      ['c', '1'],
      ['d', 'a<b'],
    ]);
    expect([...(read?.elements ?? [])]).toEqual(['root', 'b', 'c', 'd']);
  });

  it('stops at a document type, so that no entity of its own is ever expanded', () => {
    const bomb = `<!DOCTYPE x [<!ENTITY a "${'a'.repeat(1_000)}"><!ENTITY b "&a;&a;&a;">]><Access_Token><Token>&b;</Token></Access_Token>`;
    expect(parseXml(bomb)).toBeNull();
    expect(parseXml('<!DOCTYPE x SYSTEM "file:///etc/passwd"><x><y>1</y></x>')).toBeNull();
    expect(parseXml('<x><Token>&evil;</Token></x>')?.texts.has('token')).toBe(false);
  });

  it('does not read for ever', () => {
    const started = performance.now();
    expect(parseXml('<a>'.repeat(300_000))?.elements.size).toBe(1);
    expect(parseXml(`<x><y>${'&lt;'.repeat(200_000)}</y></x>`)?.texts.get('y')?.length).toBe(200_000);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('a legacy grant', () => {
  it('is one visible word that gives back what was packed, and shows nothing of it', () => {
    const token = new Secret('töken with = & . and spaces');
    const packed = packLegacyGrant({ token, refreshToken: new Secret('r.e.f') });
    expect(packed.reveal()).toMatch(/^[\w.-]+$/);
    expect(packed.reveal()).not.toContain('r.e.f');
    expect(grantOf(packed)).toEqual([token.reveal(), 'r.e.f']);
    expect(grantOf(packLegacyGrant({ token, refreshToken: null }))[1]).toBeNull();
  });

  it.each(['', 'refresh-token', 'legacy1', 'legacy1.', 'legacy1.YQ', 'legacy1..', 'legacy1.YQ.YQ.YQ'])(
    'is not to be confused with other tokens: "%s"',
    (value) => {
      expect(() => unpackLegacyGrant(new Secret(value))).toThrow(expect.objectContaining({ code: 'internal' }));
    },
  );
});

describe('the legacy instances', () => {
  it('have names of their own beside the data centres', () => {
    expect(dataCentres.legacyNames()).toEqual(['www', 'eu1', 'implementation', 'eu1imp']);
    expect(dataCentres.names()).not.toContain('www');
    expect(dataCentres.byName('www').baseUri).toBe('https://www.concursolutions.com');
    expect(dataCentres.match('https://www.concursolutions.com')).toBe('foreign');
    expect(dataCentres.matchLegacy('https://WWW.concursolutions.com/')).toEqual(dataCentres.byName('www'));
    expect(dataCentres.matchLegacy('https://us2.api.concursolutions.com')).toBe('foreign');
  });

  it('must not share a name with a data centre', () => {
    expect(() =>
      createDataCentres({ glz: 'https://a.example', www: 'https://b.example' }, publishedLegacyBaseUris),
    ).toThrow(expect.objectContaining({ code: 'configuration-invalid', message: expect.stringContaining('"www"') }));
  });
});
