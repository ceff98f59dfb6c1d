/**
 * Tokens of a configured identity provider: real keys over real HTTP; only the time is the test's own. Longer than 300
 * lines: each claim and each key that must be refused has its case.
 */
import { type CryptoKey, exportSPKI, importJWK, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuthenticator } from '../../api/auth/authenticator.ts';
import { createCallerLimits } from '../../api/auth/caller-limits.ts';
import { createExternalIssuer, type ExternalIssuerSettings } from '../../api/auth/external-issuer.ts';
import { createIssuerHttp, type IssuerHttp } from '../../api/auth/issuer-http.ts';
import { createIssuerKeys } from '../../api/auth/issuer-keys.ts';
import { toAppError } from '../../api/problem.ts';
import { silentLog } from './db-silent-log.ts';
import { type IdentityProvider, startIdentityProvider } from './identity-provider.ts';

const MINUTE_MS = 60_000;
const SOUND = { scope: 'tokens:read connections:read', app: '*' };

let provider: IdentityProvider;
let http: IssuerHttp;
let passedMs: number;
beforeEach(async () => {
  provider = await startIdentityProvider();
  http = createIssuerHttp();
  passedMs = 0;
});
afterEach(async () => {
  await http.close();
  await provider.close();
});

const clock = {
  now: () => Date.now() + passedMs,
  monotonic: () => performance.now() + passedMs,
  sleep: () => Promise.resolve(),
};

function build(over: Partial<ExternalIssuerSettings> & { readonly jwksUri?: string } = {}) {
  const { jwksUri = null, ...rest } = over;
  const settings: ExternalIssuerSettings = {
    issuer: provider.issuer,
    audience: 'evergrant-api',
    algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    typ: null,
    scopeClaim: 'scope',
    apps: '*',
    scopes: ['tokens:read', 'connections:read'],
    ...rest,
  };
  const keys = createIssuerKeys({ issuer: settings.issuer, jwksUri, http, clock, log: silentLog });
  const { authenticate } = createAuthenticator({
    issuers: [createExternalIssuer({ settings, keys, clock })],
    clients: { maybeOne: async () => null, maybeKnown: () => null, close: () => undefined },
    clock,
    limits: createCallerLimits(clock),
  });
  const ask = async (token: string) => await authenticate(token, { address: '192.0.2.1', cost: 1 });
  /** Code of the refusal, or `taken`. */
  const outcome = (token: string): Promise<string> =>
    ask(token).then(
      () => 'taken',
      (error: unknown) => toAppError(error).code,
    );
  return { ask, outcome };
}

const keyFetches = () => provider.requests.filter((path) => path === '/keys').length;
const nowSeconds = () => Math.floor(clock.now() / 1_000);

describe('a token of a configured issuer', () => {
  it('is taken, and its caller has what it claims', async () => {
    const { ask } = build();
    const principal = '0A1B2C3D-0000-4000-8000-00000000000A';
    const caller = await ask(await provider.sign({ scope: 'tokens:read', app: ['demo'], principal, client_id: 'erp' }));
    expect(caller).toEqual({
      clientId: `${provider.issuer}#erp`,
      actor: `client:${provider.issuer}#erp`,
      scopes: new Set(['tokens:read']),
      apps: ['demo'],
      principals: [principal.toLowerCase()],
    });
    expect(provider.requests).toEqual(['/.well-known/openid-configuration', '/keys']);
  });

  it('gives nothing beyond the ceilings of its issuer', async () => {
    const { ask } = build({ apps: ['demo', 'third'], scopes: ['tokens:read'] });
    const everything = await ask(await provider.sign({ scope: 'tokens:read connections:write', app: '*' }));
    expect([everything.scopes, everything.apps]).toEqual([new Set(['tokens:read']), ['demo', 'third']]);
    const other = await ask(await provider.sign({ ...SOUND, app: ['demo', 'other'] }));
    expect(other.apps).toEqual(['demo']);
  });

  it('that claims no app and no scope gives none', async () => {
    const { ask } = build();
    const caller = await ask(await provider.sign());
    expect([caller.scopes, caller.apps, caller.principals]).toEqual([new Set(), [], null]);
  });

  it('may have its scopes in another claim, as one string or as a list', async () => {
    const { ask } = build({ scopeClaim: 'scp' });
    for (const scp of ['tokens:read connections:read', ['tokens:read', 'connections:read']]) {
      const { scopes } = await ask(await provider.sign({ scp, scope: 'connections:write' }));
      expect(scopes).toEqual(new Set(['tokens:read', 'connections:read']));
    }
  });

  it('names its caller by client_id, azp or sub, whichever comes first', async () => {
    const { ask, outcome } = build();
    const named = async (claims: Record<string, unknown>) => (await ask(await provider.sign(claims))).clientId;
    expect(await named({ client_id: 'a', azp: 'b' })).toBe(`${provider.issuer}#a`);
    expect(await named({ azp: 'b' })).toBe(`${provider.issuer}#b`);
    expect(await named({ sub: 's' })).toBe(`${provider.issuer}#s`);
    for (const sub of [undefined, '', 'two words', 'x'.repeat(256), 7]) {
      expect(await outcome(await provider.sign({ sub })), String(sub)).toBe('unauthenticated');
    }
  });

  it.each(['RS256', 'PS256', 'ES256', 'EdDSA'] as const)('may be signed with %s', async (alg) => {
    const key = await provider.addKey(alg);
    expect(await build().outcome(await provider.sign(SOUND, {}, key))).toBe('taken');
  });
});

describe('a token is refused', () => {
  const wrongClaims: readonly (readonly [string, () => Record<string, unknown>])[] = [
    ['for another audience', () => ({ aud: 'evergrant' })],
    ['for no audience', () => ({ aud: undefined })],
    ['of another issuer', () => ({ iss: 'https://other.example' })],
    ['of an issuer that differs by a slash', () => ({ iss: `${provider.issuer}/` })],
    ['without an issuer', () => ({ iss: undefined })],
    ['without an end', () => ({ exp: undefined })],
    ['without a beginning', () => ({ iat: undefined })],
    ['with an end that is no number', () => ({ exp: 'tomorrow' })],
    ['after its end', () => ({ iat: nowSeconds() - 600, exp: nowSeconds() - 10 })],
    ['from the future', () => ({ iat: nowSeconds() + 60 })],
    ['before it holds', () => ({ nbf: nowSeconds() + 60 })],
    ['that lives longer than a day', () => ({ exp: nowSeconds() + 24 * 3_600 + 60 })],
    ['whose scope is a number', () => ({ scope: 7 })],
    ['whose app is an object', () => ({ app: { name: 'demo' } })],
    ['whose principal is a list of lists', () => ({ principal: [['a']] })],
  ];
  it.each(wrongClaims)('%s', async (_what, claims) => {
    const { outcome } = build();
    expect(await outcome(await provider.sign({ ...SOUND, ...claims() }))).toBe('unauthenticated');
    expect(await outcome(await provider.sign(SOUND))).toBe('taken');
  });

  it('unless clocks differ by no more than five seconds', async () => {
    const { outcome } = build();
    expect(await outcome(await provider.sign({ ...SOUND, iat: nowSeconds() + 3, nbf: nowSeconds() + 3 }))).toBe(
      'taken',
    );
    expect(await outcome(await provider.sign({ ...SOUND, exp: nowSeconds() - 3 }))).toBe('taken');
    const longest = { iat: nowSeconds(), exp: nowSeconds() + 24 * 3_600 };
    expect(await outcome(await provider.sign({ ...SOUND, ...longest }))).toBe('taken');
  });

  it('unsigned, with a symmetric signature made from the public key, or with an algorithm that is not configured', async () => {
    const { outcome } = build({ algorithms: ['RS256'] });
    const key = await provider.addKey('RS256');
    const sound = await provider.sign(SOUND);
    const [, payload = ''] = sound.split('.');
    const encode = (header: object) => Buffer.from(JSON.stringify(header)).toString('base64url');
    expect(await outcome(`${encode({ alg: 'none' })}.${payload}.`)).toBe('unauthenticated');
    expect(await outcome(`${encode({ alg: 'none', kid: key.kid })}.${payload}.${sound.split('.')[2]}`)).toBe(
      'unauthenticated',
    );

    const publicKey = (await importJWK(key.jwk, 'RS256')) as CryptoKey;
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    const symmetric = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', kid: key.kid })
      .sign(new TextEncoder().encode(await exportSPKI(publicKey)));
    expect(await outcome(symmetric)).toBe('unauthenticated');

    const strong = await provider.addKey('RS512');
    expect(await outcome(await provider.sign(SOUND, {}, strong))).toBe('unauthenticated');
    const curve = await provider.addKey('ES256');
    expect(await outcome(await provider.sign(SOUND, {}, curve))).toBe('unauthenticated');
  });

  it('signed by somebody else under a key’s name, or bringing its own key', async () => {
    const { outcome } = build();
    const stranger = await startIdentityProvider();
    try {
      const forged = await stranger.sign({ ...SOUND, iss: provider.issuer }, { kid: 'ES256-0' });
      expect(await outcome(forged)).toBe('unauthenticated');
      const key = await stranger.addKey('ES256');
      const own = await stranger.sign(
        { ...SOUND, iss: provider.issuer },
        { kid: undefined, jwk: key.jwk, jku: `${stranger.issuer}/keys` },
        key,
      );
      expect(await outcome(own)).toBe('unauthenticated');
      expect(stranger.requests).toEqual([]);
    } finally {
      await stranger.close();
    }
  });

  it('of another type, where one is configured', async () => {
    const { outcome } = build({ typ: 'at+jwt' });
    expect(await outcome(await provider.sign(SOUND))).toBe('unauthenticated');
    expect(await outcome(await provider.sign(SOUND, { typ: 'JWT' }))).toBe('unauthenticated');
    expect(await outcome(await provider.sign(SOUND, { typ: 'at+jwt' }))).toBe('taken');
    expect(await outcome(await provider.sign(SOUND, { typ: 'application/at+jwt' }))).toBe('taken');
  });

  it('that an extension of the format makes critical', async () => {
    const token = await provider.sign(SOUND);
    const [, payload = '', signature = ''] = token.split('.');
    const header = { alg: 'ES256', kid: 'ES256-0', crit: ['wonders'], wonders: 1 };
    const critical = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.${signature}`;
    expect(await build().outcome(critical)).toBe('unauthenticated');
  });
});

describe('the keys of an issuer', () => {
  it('are fetched once for all who come at the same time', async () => {
    const { outcome } = build();
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, index) => provider.sign({ ...SOUND, jti: index })));
    expect(new Set(await Promise.all(tokens.map(outcome)))).toEqual(new Set(['taken']));
    expect(provider.requests).toHaveLength(2);
  });

  it('are fetched again, once, for a key that is new', async () => {
    const { outcome } = build();
    expect(await outcome(await provider.sign(SOUND))).toBe('taken');
    const key = await provider.addKey('ES256');
    passedMs = MINUTE_MS;
    const tokens = await Promise.all(
      Array.from({ length: 10 }, (_, index) => provider.sign({ ...SOUND, jti: index }, {}, key)),
    );
    expect(new Set(await Promise.all(tokens.map(outcome)))).toEqual(new Set(['taken']));
    expect(keyFetches()).toBe(2);
  });

  it('are not fetched more than twice a minute, whatever keys are made up', async () => {
    const { outcome } = build();
    await outcome(await provider.sign(SOUND));
    for (let index = 0; index < 12; index += 1) {
      passedMs += 5_000;
      expect(await outcome(await provider.sign(SOUND, { kid: `made-up-${index}` }))).toBe('unauthenticated');
    }
    expect(keyFetches()).toBe(1 + 2);
  });

  it('are fetched again after ten minutes: a key that was withdrawn counts no longer, nor does what it signed', async () => {
    const { outcome } = build();
    const token = await provider.sign({ ...SOUND, exp: nowSeconds() + 7_200 });
    expect(await outcome(token)).toBe('taken');
    provider.withdrawKeys();
    await provider.addKey('ES256');
    passedMs = 11 * MINUTE_MS;
    expect(await outcome(token)).toBe('unauthenticated');
  });

  it('count for an hour while their issuer is away, then nobody can tell', async () => {
    const { outcome } = build();
    const long = { ...SOUND, exp: nowSeconds() + 10 * 3_600 };
    expect(await outcome(await provider.sign(long))).toBe('taken');
    provider.faults.set('/.well-known/openid-configuration', (response) => response.writeHead(503).end());
    passedMs = 55 * MINUTE_MS;
    expect(await outcome(await provider.sign({ ...long, jti: 'a' }))).toBe('taken');
    passedMs = 61 * MINUTE_MS;
    expect(await outcome(await provider.sign({ ...long, jti: 'b' }))).toBe('provider-unavailable');
    provider.faults.clear();
    passedMs += 6_000;
    expect(await outcome(await provider.sign({ ...long, jti: 'c' }))).toBe('taken');
  });

  it('that can’t be had are asked for no more than every five seconds', async () => {
    provider.faults.set('/keys', (response) => response.destroy());
    const { ask, outcome } = build();
    const refusal = await ask(await provider.sign(SOUND)).catch(toAppError);
    expect(refusal).toMatchObject({ code: 'provider-unavailable', retryAfterMs: 5_000 });
    for (let index = 0; index < 5; index += 1) {
      expect(await outcome(await provider.sign({ ...SOUND, jti: index }))).toBe('provider-unavailable');
    }
    expect(keyFetches()).toBe(1);
    passedMs = 6_000;
    provider.faults.clear();
    expect(await outcome(await provider.sign(SOUND))).toBe('taken');
  });

  it('may be new while their issuer is away: nobody can tell then', async () => {
    const { outcome } = build();
    await outcome(await provider.sign(SOUND));
    const key = await provider.addKey('ES256');
    provider.faults.set('/keys', (response) => response.writeHead(500).end());
    passedMs = MINUTE_MS;
    expect(await outcome(await provider.sign(SOUND, {}, key))).toBe('provider-unavailable');
  });

  it('are taken from the configured address, without discovery', async () => {
    const { outcome } = build({ jwksUri: `${provider.issuer}/keys` });
    expect(await outcome(await provider.sign(SOUND))).toBe('taken');
    expect(provider.requests).toEqual(['/keys']);
  });

  const unsound: readonly (readonly [
    string,
    string,
    (p: IdentityProvider) => Parameters<IdentityProvider['faults']['set']>[1],
  ])[] = [
    [
      'discovery names another issuer',
      '/.well-known/openid-configuration',
      (p) => (response) => p.json(response, { issuer: 'https://other.example', jwks_uri: `${p.issuer}/keys` }),
    ],
    [
      'discovery names no keys',
      '/.well-known/openid-configuration',
      (p) => (response) => p.json(response, { issuer: p.issuer }),
    ],
    [
      'discovery leads to plain http elsewhere',
      '/.well-known/openid-configuration',
      (p) => (response) => p.json(response, { issuer: p.issuer, jwks_uri: 'http://localhost:1/keys' }),
    ],
    [
      'discovery leads to a file',
      '/.well-known/openid-configuration',
      (p) => (response) => p.json(response, { issuer: p.issuer, jwks_uri: 'file:///etc/passwd' }),
    ],
    [
      'the keys lie behind a redirect',
      '/keys',
      (p) => (response) => response.writeHead(302, { location: `${p.issuer}/other` }).end(),
    ],
    ['the keys are endless', '/keys', () => (response) => void response.writeHead(200).end(' '.repeat(300_000))],
    ['the keys are no JSON', '/keys', () => (response) => response.writeHead(200).end('<html>')],
    ['the keys are a list', '/keys', (p) => (response) => p.json(response, [])],
    ['the keys are no key set', '/keys', (p) => (response) => p.json(response, { keys: 'none' })],
  ];
  it.each(unsound)('can’t be had when %s', async (_what, path, fault) => {
    provider.faults.set(path, fault(provider));
    expect(await build().outcome(await provider.sign(SOUND))).toBe('provider-unavailable');
    expect(provider.requests).not.toContain('/other');
  });

  it('can’t be had when the issuer never finishes its answer, and nobody waits longer than six seconds', async () => {
    provider.faults.set('/keys', (response) => void response.writeHead(200).write('{'));
    const startedAt = performance.now();
    expect(await build().outcome(await provider.sign(SOUND))).toBe('provider-unavailable');
    expect(performance.now() - startedAt).toBeLessThan(6_000);
  });

  it('must name one key for a token without a key id', async () => {
    const { outcome } = build();
    expect(await outcome(await provider.sign(SOUND, { kid: undefined }))).toBe('taken');
    await provider.addKey('ES256');
    expect(await build().outcome(await provider.sign(SOUND, { kid: undefined }))).toBe('unauthenticated');
  });
});
