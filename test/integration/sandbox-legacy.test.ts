/**
 * The ways to a grant that need no Quick Connect, between the real client and the sandbox, over real HTTP. Longer than
 * 300 lines: each documented answer of those endpoints has its case.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createConcur } from '../../concur/concur.ts';
import { createDataCentres, originsOf } from '../../concur/data-centres.ts';
import { type ClosableHttp, createHttp } from '../../concur/http.ts';
import { unpackLegacyGrant } from '../../concur/legacy-grant.ts';
import type { AppCredentials, Concur, ConcurResult, Log } from '../../core/ports.ts';
import { Secret } from '../../core/secret.ts';
import type { App, Company, User } from '../../dev/sandbox/model/types.ts';
import { createSandbox, type Sandbox } from '../../dev/sandbox/sandbox.ts';
import { systemClock } from '../../runtime/clock.ts';

const options = { horizonMs: 5_000 };
const YEAR_SECONDS = 365 * 86_400;
const lines: string[] = [];
const record = (fields: object, message: string) => void lines.push(JSON.stringify({ ...fields, message }));
const log: Log = { debug: record, info: record, warn: record, error: record };

let sandbox: Sandbox;
let http: ClosableHttp;
let concur: Concur;
let legacyApp: App;
let newApp: App;
let company: Company;
let admin: User;
let colleague: User;

beforeAll(async () => {
  sandbox = await createSandbox();
  const dataCentres = createDataCentres(sandbox.baseUris, sandbox.legacyBaseUris);
  http = createHttp({ allowedOrigins: originsOf(dataCentres) });
  concur = createConcur({ http, dataCentres, clock: systemClock, log });
});
afterAll(async () => {
  await http.close();
  await sandbox.close();
});
beforeEach(() => {
  lines.length = 0;
  legacyApp = sandbox.addApp({ flow: 'app-center-legacy', connectUri: 'https://partner.example/redirect?x=1' });
  newApp = sandbox.addApp({ legacyClientId: legacyApp.clientId });
  company = sandbox.addCompany({ name: 'Acme', domain: `${randomUUID()}.example`, dataCentre: 'eu2' });
  admin = sandbox.addUser({ companyId: company.id, webServicesAdmin: true });
  colleague = sandbox.addUser({ companyId: company.id });
});
afterEach(() => {
  sandbox.clearFaults();
  sandbox.set({
    legacyInstanceUrl: true,
    legacyRefreshToken: true,
    legacyDateName: 'Expiration_date',
    legacyErrorStatus: 'failing',
    rotation: 'same',
  });
});

function credentialsOf(app: App): AppCredentials {
  return { clientId: app.clientId, clientSecret: new Secret(app.secrets.at(-1)?.value ?? '') };
}

function valueOf<T>(result: ConcurResult<T>): T {
  if (!result.ok) throw new Error(`expected an answer: ${JSON.stringify(result.failure)}`);
  return result.value;
}

function failureOf<T>(result: ConcurResult<T>) {
  if (result.ok) throw new Error('expected a failure');
  return result.failure;
}

function pressLegacy(userId = admin.id) {
  const { requestToken } = sandbox.pressConnect({ clientId: legacyApp.clientId, principalId: userId, userId });
  return new Secret(requestToken);
}

function exchange(code: Secret, dataCentre = 'www', credentials = credentialsOf(legacyApp)) {
  return concur.exchangeLegacyCode({ credentials, dataCentre, code }, options);
}

function refresh(grant: Secret, dataCentre = 'www') {
  return concur.refreshLegacyToken({ credentials: credentialsOf(legacyApp), dataCentre, grant }, options);
}

async function connected(userId = admin.id) {
  const { accessToken, refreshToken } = valueOf(await exchange(pressLegacy(userId)));
  if (refreshToken === null) throw new Error('expected a grant');
  return { accessToken, grant: refreshToken };
}

const isAlive = (userId = admin.id) => sandbox.isConnected({ clientId: legacyApp.clientId, principalId: userId });

describe('the legacy redirect', () => {
  it('brings the browser to the redirect page with a code, for anybody who presses', () => {
    const { url, userId } = sandbox.pressConnect({
      clientId: legacyApp.clientId,
      principalId: colleague.id,
      userId: colleague.id,
    });
    expect(userId).toBe(colleague.id);
    expect(url).toMatch(/^https:\/\/partner\.example\/redirect\?x=1&code=[\w-]+$/);
  });

  it('says on denial what has happened', () => {
    const { url } = sandbox.pressConnect({ clientId: legacyApp.clientId, principalId: company.id, deny: true });
    const { searchParams } = new URL(url);
    expect([searchParams.get('error'), searchParams.has('error_description'), searchParams.has('code')]).toEqual([
      'access_denied',
      true,
      false,
    ]);
  });
});

describe('a legacy code', () => {
  it('becomes a token of a year, at the instance where the company is at home', async () => {
    const before = Date.now();
    const result = await exchange(pressLegacy());
    const answer = valueOf(result);
    expect(answer).toMatchObject({ tokenType: 'OAuth', scope: '', idToken: null, geolocation: { name: 'eu1' } });
    expect(answer.geolocationRaw).toBe(`${sandbox.legacyBaseUris.eu1}/`);
    expect(YEAR_SECONDS - answer.expiresInSeconds).toBeLessThanOrEqual(2);
    expect((answer.refreshExpiresAtMs ?? 0) - before).toBeGreaterThan(YEAR_SECONDS * 1_000 - 2_000);
    expect(result.dataCentre.name).toBe('www');
    expect(isAlive()).toBe(true);
    const [call] = sandbox.calls({ endpoint: 'legacy-token', clientId: legacyApp.clientId });
    expect(call).toMatchObject({ grantType: 'legacy-code', principalId: admin.id, dataCentre: 'www', status: 200 });
  });

  it('is taken without instance, refresh token and with the other spelling of the date', async () => {
    sandbox.set({ legacyInstanceUrl: false, legacyRefreshToken: false, legacyDateName: 'Expiration_Date' });
    const answer = valueOf(await exchange(pressLegacy()));
    expect(answer.geolocation).toBeNull();
    expect(YEAR_SECONDS - answer.expiresInSeconds).toBeLessThanOrEqual(2);
    const { token, refreshToken } = unpackLegacyGrant(answer.refreshToken ?? new Secret(''));
    expect([token.reveal(), refreshToken]).toEqual([answer.accessToken.reveal(), null]);
  });

  it.each(['failing', 'ok'] as const)('that is wrong is refused, with a status that is %s', async (status) => {
    sandbox.set({ legacyErrorStatus: status });
    const failure = failureOf(await exchange(new Secret('wrong')));
    expect(failure).toMatchObject({
      kind: 'answer',
      status: status === 'ok' ? 200 : 400,
      providerCode: 'LEGACY_ERROR',
    });
  });

  it('of another app, run out, used five times, or with a wrong secret is refused', async () => {
    const other = sandbox.addApp({ flow: 'app-center-legacy' });
    expect(failureOf(await exchange(pressLegacy(), 'www', credentialsOf(other)))).toMatchObject({ status: 400 });
    const wrong = { ...credentialsOf(legacyApp), clientSecret: new Secret('wrong') };
    expect(failureOf(await exchange(pressLegacy(), 'www', wrong))).toMatchObject({ status: 401 });
    const code = pressLegacy();
    for (let uses = 0; uses < 5; uses += 1) valueOf(await exchange(code));
    expect(failureOf(await exchange(code))).toMatchObject({ status: 400 });
    const old = pressLegacy();
    sandbox.expire({ clientId: legacyApp.clientId, principalId: admin.id, which: 'request' });
    expect(failureOf(await exchange(old))).toMatchObject({ status: 400 });
  });

  it('is refused by an instance where the company is not at home', async () => {
    expect(failureOf(await exchange(pressLegacy(), 'implementation'))).toMatchObject({ providerCode: 'LEGACY_ERROR' });
    expect(valueOf(await exchange(pressLegacy(), 'eu1')).geolocation).toMatchObject({ name: 'eu1' });
  });

  it('whose answer names a foreign instance is told as such', async () => {
    sandbox.fault({ kind: 'geolocation', value: 'https://evil.example/', match: { endpoint: 'legacy-token' } });
    expect(valueOf(await exchange(pressLegacy())).geolocation).toBe('foreign');
  });

  it('meets the faults of the other endpoints', async () => {
    const match = { endpoint: 'legacy-token' } as const;
    sandbox.fault({ kind: 'html-503', match });
    expect(failureOf(await exchange(pressLegacy()))).toMatchObject({ kind: 'answer', status: 503 });
    sandbox.fault({ kind: 'not-json', match });
    expect(failureOf(await exchange(pressLegacy()))).toMatchObject({ kind: 'malformed' });
    sandbox.fault({ kind: 'rate-limit', retryAfterSeconds: 3, match });
    expect(failureOf(await exchange(pressLegacy()))).toMatchObject({ status: 429, retryAfterMs: 3_000 });
    sandbox.fault({ kind: 'code', code: 61, match });
    expect(failureOf(await exchange(pressLegacy()))).toMatchObject({ concurCode: 61 });
    sandbox.fault({ kind: 'process-then-drop', match });
    expect(failureOf(await exchange(pressLegacy()))).toMatchObject({ kind: 'transport', sent: true });
    sandbox.fault({ kind: 'truncate', match });
    expect(failureOf(await exchange(pressLegacy()))).toMatchObject({ kind: 'transport', sent: true });
    sandbox.fault({ kind: 'without-access-token', match });
    expect(failureOf(await exchange(pressLegacy()))).toEqual({
      kind: 'malformed',
      status: 200,
      what: 'no-access-token',
    });
    sandbox.fault({ kind: 'fields', set: { Expiration_date: 'soon' }, match });
    expect(valueOf(await exchange(pressLegacy()))).toMatchObject({
      expiresInSeconds: 86_400,
      refreshExpiresAtMs: null,
    });
  });
});

describe('a legacy refresh', () => {
  it('gives the same token another year', async () => {
    const { grant, accessToken } = await connected();
    sandbox.advanceClock(10 * 86_400_000);
    const answer = valueOf(await refresh(grant, 'eu1'));
    expect(answer.accessToken.reveal()).toBe(accessToken.reveal());
    expect(answer.refreshToken?.reveal()).toBe(grant.reveal());
    expect(answer.expiresInSeconds).toBeGreaterThan(YEAR_SECONDS + 9 * 86_400);
    sandbox.advanceClock(-10 * 86_400_000);
  });

  it.each(['lax', 'strict'] as const)(
    'brings a new token where they rotate (%s), and the new grant works',
    async (rotation) => {
      sandbox.set({ rotation });
      const { grant, accessToken } = await connected();
      const next = valueOf(await refresh(grant)).refreshToken ?? new Secret('');
      expect(unpackLegacyGrant(next).token.reveal()).not.toBe(accessToken.reveal());
      expect((await refresh(grant)).ok).toBe(rotation === 'lax');
      expect((await refresh(next)).ok).toBe(true);
    },
  );

  it('goes by the token itself where Concur gives no refresh token, and by the one it had where it stops to', async () => {
    sandbox.set({ legacyRefreshToken: false });
    const without = await connected();
    expect((await refresh(without.grant)).ok).toBe(true);
    sandbox.set({ legacyRefreshToken: true });
    const { grant } = await connected();
    sandbox.set({ legacyRefreshToken: false });
    expect(valueOf(await refresh(grant)).refreshToken?.reveal()).toBe(grant.reveal());
  });

  it('of a token that has run out, was revoked or disconnected is refused', async () => {
    for (const end of [
      () => sandbox.expire({ clientId: legacyApp.clientId, principalId: admin.id, which: 'legacy' }),
      () => sandbox.disconnect({ clientId: legacyApp.clientId, principalId: admin.id }),
    ]) {
      const { grant } = await connected();
      end();
      expect(failureOf(await refresh(grant))).toMatchObject({ status: 401, providerCode: 'LEGACY_ERROR' });
    }
  });
});

describe('a legacy revoke', () => {
  it('ends one token, and says its length of zero', async () => {
    const { accessToken } = await connected();
    const other = await connected(colleague.id);
    expect((await concur.revokeLegacyToken({ dataCentre: 'www', accessToken }, options)).ok).toBe(true);
    expect([isAlive(), isAlive(colleague.id)]).toEqual([false, true]);
    const again = await concur.revokeLegacyToken({ dataCentre: 'www', accessToken }, options);
    expect(failureOf(again)).toMatchObject({ status: 401 });
    expect((await refresh(other.grant)).ok).toBe(true);
  });

  it('of all of a user is for administrators of the same company alone', async () => {
    const [boss, worker] = [await connected(), await connected(colleague.id)];
    const query = new URLSearchParams({ consumerKey: legacyApp.clientId, user: colleague.login }).toString();
    const send = (token: Secret) =>
      http.send(
        {
          method: 'POST',
          url: `${sandbox.legacyBaseUris.www}/net2/oauth2/revoketoken.ashx?${query}`,
          headers: { authorization: `OAuth ${token.reveal()}` },
          body: '',
        },
        options,
      );
    expect((await send(worker.accessToken)).status).toBe(403);
    expect((await send(boss.accessToken)).status).toBe(200);
    expect([isAlive(), isAlive(colleague.id)]).toEqual([true, false]);
  });
});

describe('the profile of a legacy token', () => {
  it('is the user who pressed, at instance and data centre', async () => {
    const { accessToken } = await connected(colleague.id);
    for (const dataCentre of ['www', 'eu1', 'eu2']) {
      const result = await concur.fetchPrincipal({ dataCentre, accessToken, tokenType: 'OAuth' }, options);
      expect(valueOf(result)).toMatchObject({ id: colleague.id, type: 'user', name: colleague.displayName });
    }
  });

  it('is denied to one of the old days', async () => {
    const old = sandbox.addUser({ companyId: company.id, hasProfile: false });
    const { accessToken } = await connected(old.id);
    const result = await concur.fetchPrincipal({ dataCentre: 'www', accessToken, tokenType: 'OAuth' }, options);
    expect(failureOf(result)).toMatchObject({ kind: 'answer', status: 403 });
  });
});

describe('a migration', () => {
  const migrate = (legacyRefreshToken: string, more: Partial<Parameters<Concur['migrateLegacyToken']>[0]> = {}) =>
    concur.migrateLegacyToken(
      {
        credentials: credentialsOf(newApp),
        dataCentre: 'us2',
        legacyClientId: legacyApp.clientId,
        legacyRefreshToken: new Secret(legacyRefreshToken),
        principal: 'company',
        ...more,
      },
      options,
    );

  it.each([
    ['company', () => company.id],
    ['user', () => admin.id],
  ] as const)('makes a refresh token of OAuth2 for a %s, which works', async (principal, id) => {
    const { refreshValue } = sandbox.legacyToken({ clientId: legacyApp.clientId, userId: admin.id });
    const grant = valueOf(await migrate(refreshValue, { principal }));
    expect(grant).toMatchObject({ subject: id(), principalType: principal, scope: newApp.scopes.join(' ') });
    expect((grant.refreshExpiresAtMs ?? 0) - Date.now()).toBeGreaterThan(179 * 86_400_000);
    // At the data centre of the migration: code 16 leads home.
    const { refreshToken } = grant;
    const tokens = valueOf(
      await concur.refreshTokens({ credentials: credentialsOf(newApp), dataCentre: 'us2', refreshToken }, options),
    );
    expect(tokens.geolocation).toMatchObject({ name: 'eu2' });
    expect(sandbox.isConnected({ clientId: newApp.clientId, principalId: id() })).toBe(true);
  });

  it('of somebody without a UUID names nobody', async () => {
    const old = sandbox.addUser({ companyId: company.id, hasProfile: false });
    const { refreshValue } = sandbox.legacyToken({ clientId: legacyApp.clientId, userId: old.id });
    expect(valueOf(await migrate(refreshValue, { principal: 'user' }))).toMatchObject({
      subject: null,
      principalType: 'user',
    });
  });

  it('is refused by name', async () => {
    const { refreshValue } = sandbox.legacyToken({ clientId: legacyApp.clientId, userId: admin.id });
    expect(failureOf(await migrate('wrong'))).toMatchObject({ status: 400, providerCode: 'INVALIDTOKEN' });
    const stranger = sandbox.addApp({});
    const asStranger = await migrate(refreshValue, { credentials: credentialsOf(stranger) });
    expect(failureOf(asStranger)).toMatchObject({ providerCode: 'INVALIDAPP' });
    const scopeless = sandbox.addApp({ legacyClientId: legacyApp.clientId, scopes: [] });
    const withoutScopes = await migrate(refreshValue, { credentials: credentialsOf(scopeless) });
    expect(failureOf(withoutScopes)).toMatchObject({ providerCode: 'INVALIDSCOPES' });
    sandbox.fault({ kind: 'answer', status: 401, body: '{"code":"UNAUTHORIZED"}', match: { endpoint: 'migration' } });
    expect(failureOf(await migrate(refreshValue))).toMatchObject({ status: 401, providerCode: 'UNAUTHORIZED' });
  });

  it('whose app can not prove itself says that nothing was sent about the grant', async () => {
    const { refreshValue } = sandbox.legacyToken({ clientId: legacyApp.clientId, userId: admin.id });
    const credentials = { ...credentialsOf(newApp), clientSecret: new Secret('wrong') };
    expect(failureOf(await migrate(refreshValue, { credentials }))).toMatchObject({ concurCode: 64 });
    sandbox.fault({ kind: 'process-then-drop', match: { endpoint: 'token' } });
    expect(failureOf(await migrate(refreshValue))).toMatchObject({ kind: 'transport', sent: false });
    sandbox.fault({ kind: 'process-then-drop', match: { endpoint: 'migration' } });
    expect(failureOf(await migrate(refreshValue))).toMatchObject({ kind: 'transport', sent: true });
  });
});

describe("a user's own login", () => {
  const login = (password: string, dataCentre = 'eu2', username = admin.login) =>
    concur.exchangePassword(
      { credentials: credentialsOf(newApp), dataCentre, username, password: new Secret(password) },
      options,
    );

  it.each(['eu2', 'us2', 'glz'])('brings tokens of the user, wherever the user lives (asked at %s)', async (asked) => {
    const result = await login(admin.password, asked);
    expect(valueOf(result)).toMatchObject({ tokenType: 'Bearer', geolocation: { name: 'eu2' } });
    expect(result.dataCentre.name).toBe('eu2');
    expect(sandbox.isConnected({ clientId: newApp.clientId, principalId: admin.id })).toBe(true);
    const { idToken } = valueOf(result);
    if (idToken === null) throw new Error('expected an id_token');
    const given = { dataCentre: 'eu2', idToken, clientId: newApp.clientId, atMs: Date.now() };
    expect(await concur.verifyIdToken(given, options)).toEqual({
      verdict: 'valid',
      subject: admin.id,
      principalType: 'user',
    });
  });

  it('that is wrong, unknown or locked is told by its code', async () => {
    expect(failureOf(await login('wrong'))).toMatchObject({ concurCode: 5 });
    expect(failureOf(await login('x', 'eu2', 'nobody@nowhere.example'))).toMatchObject({ concurCode: 55 });
    sandbox.disable({ userId: admin.id, code: 14 });
    expect(failureOf(await login(admin.password))).toMatchObject({ concurCode: 14 });
  });
});

describe('the log', () => {
  it('has a line for every call, and no secret and no URL in any', async () => {
    const { accessToken, grant } = await connected();
    await refresh(grant);
    await exchange(new Secret('wrong-code-1'));
    const { refreshValue } = sandbox.legacyToken({ clientId: legacyApp.clientId, userId: admin.id });
    const { clientId } = legacyApp;
    const legacyRefreshToken = new Secret(refreshValue);
    const credentials = credentialsOf(newApp);
    const migration = { credentials, dataCentre: 'us2', legacyClientId: clientId, legacyRefreshToken } as const;
    await concur.migrateLegacyToken({ ...migration, principal: 'company' }, options);
    await concur.revokeLegacyToken({ dataCentre: 'www', accessToken }, options);
    expect(lines).toHaveLength(6);
    const text = lines.join('\n');
    for (const { value } of sandbox.issuedSecrets()) {
      expect(text).not.toContain(value);
      expect(text).not.toContain(encodeURIComponent(value));
    }
    expect(text).not.toMatch(/wrong-code|ashx|code=|https?:/);
  });
});
