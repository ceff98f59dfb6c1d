import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseApps } from '../../runtime/apps-file.ts';
import { parseConfig } from '../../runtime/config.ts';
import { createEnvironment } from '../../runtime/environment.ts';

const landing = {
  mode: 'verification-code',
  brand: 'Demo ERP',
  supportUrl: 'https://partner.example/support',
  privacyUrl: 'https://partner.example/privacy',
};
const app = { app: 'demo', clientId: 'client-1', clientSecretEnv: 'DEMO_SECRET', landing };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'evergrant-apps-'));
  writeFileSync(join(folder, 'secret'), 'from-file\n');
  writeFileSync(join(folder, 'empty'), '');
});
afterAll(() => rmSync(folder, { recursive: true }));

function parse(value: unknown, development = false, variables: Record<string, string> = { DEMO_SECRET: 'hush-1' }) {
  const env = createEnvironment(variables);
  const apps = parseApps(typeof value === 'string' ? value : JSON.stringify(value), { env, development, folder });
  return { apps, problems: env.problems().map(({ name, message }) => `${name}: ${message}`) };
}

describe('an apps file', () => {
  it('is completed with defaults, its secrets apart', () => {
    const { apps, problems } = parse([app]);
    expect(problems).toEqual([]);
    expect(apps.map((entry) => entry.app)).toEqual([
      {
        app: 'demo',
        clientId: 'client-1',
        flow: 'quick-connect',
        principal: 'company',
        environment: 'production',
        landing: {
          mode: 'verification-code',
          brand: 'Demo ERP',
          color: '#0a6ed1',
          logoUrl: null,
          logoAlt: '',
          signInUrl: null,
          signUpUrl: null,
          contactUrl: null,
          supportUrl: 'https://partner.example/support',
          privacyUrl: 'https://partner.example/privacy',
          termsUrl: null,
          manageUrl: null,
          listingUrl: null,
          nextSteps: [],
        },
        webhooks: [],
        requiredScopes: [],
        legacyClientId: null,
        allowUnverified: false,
        allowPasswordLogin: false,
      },
    ]);
    expect(apps[0]?.clientSecret.reveal()).toBe('hush-1');
    expect(JSON.stringify(apps)).not.toContain('hush-1');
  });

  it('keeps everything that it says', () => {
    const full = {
      ...app,
      flow: 'app-center-legacy',
      principal: 'user',
      environment: 'implementation',
      landing: {
        ...landing,
        mode: 'sign-in',
        color: '#0A6ED1',
        logoUrl: 'https://partner.example/logo.svg',
        logoAlt: 'Demo',
        signInUrl: 'https://partner.example/in',
        signUpUrl: 'https://partner.example/up',
        contactUrl: 'mailto:help@partner.example',
        termsUrl: 'https://partner.example/terms',
        manageUrl: 'https://partner.example/manage',
        listingUrl: 'https://www.concursolutions.com/appcenter/listings/1',
        nextSteps: ['Go back', 'Enjoy'],
      },
      webhooks: [{ url: 'https://partner.example/hook', events: ['connection.connected', 'connection.moved'] }],
      requiredScopes: ['company.read'],
      legacyClientId: 'old-key',
      allowUnverified: true,
      allowPasswordLogin: true,
    };
    const { clientSecretEnv: _env, ...expected } = full;
    expect(parse([full])).toMatchObject({ problems: [], apps: [{ app: expected }] });
  });

  it('takes the secret from a variable, the file of a variable, a file beside it, or, in development, itself', () => {
    const secretOf = (entry: object, development = false, variables: Record<string, string> = {}) =>
      parse([{ ...app, clientSecretEnv: undefined, ...entry }], development, variables).apps[0]?.clientSecret.reveal();
    expect(secretOf({ clientSecretEnv: 'S' }, false, { S: 'plain' })).toBe('plain');
    expect(secretOf({ clientSecretEnv: 'S' }, false, { S_FILE: join(folder, 'secret') })).toBe('from-file');
    expect(secretOf({ clientSecretFile: 'secret' })).toBe('from-file');
    expect(secretOf({ clientSecretFile: join(folder, 'secret') })).toBe('from-file');
    expect(secretOf({ clientSecret: 'inline' }, true)).toBe('inline');
  });

  it.each([
    ['not JSON', '[{', 'APPS_FILE: must name a file with JSON'],
    ['an object', {}, 'APPS_FILE: must hold a JSON array of apps'],
    ['something else than apps', [7], 'APPS_FILE[0]: must be an object'],
    ['a bad name', [{ ...app, app: 'Demo App' }], 'APPS_FILE[0].app: must match [a-z0-9-]{1,40}'],
    ['an unknown field', [{ ...app, landingPage: 1 }], 'APPS_FILE[0]: has unknown fields: landingPage'],
    ['an unknown flow', [{ ...app, flow: 'x' }], 'APPS_FILE[0].flow: must be quick-connect or app-center-legacy'],
    ['the same app twice', [app, app], 'APPS_FILE[1].app: is there twice: demo'],
    [
      'no privacy page',
      [{ ...app, landing: { ...landing, privacyUrl: undefined } }],
      'APPS_FILE[0].landing.privacyUrl',
    ],
    ['no support page', [{ ...app, landing: { ...landing, supportUrl: null } }], 'APPS_FILE[0].landing.supportUrl'],
    ['a plain link', [{ ...app, landing: { ...landing, termsUrl: 'http://x.example' } }], 'must be an https URL'],
    [
      'a script as link',
      [{ ...app, landing: { ...landing, listingUrl: 'javascript:alert(1)' } }],
      'must be an https URL',
    ],
    [
      'a mail address where pages are',
      [{ ...app, landing: { ...landing, termsUrl: 'mailto:a@b' } }],
      'must be an https URL',
    ],
    ['a colour that is none', [{ ...app, landing: { ...landing, color: 'red' } }], 'must be a colour such as #0a6ed1'],
    [
      'no sign-in page in mode sign-in',
      [{ ...app, landing: { ...landing, mode: 'sign-in' } }],
      'APPS_FILE[0].landing.signInUrl: is required in mode sign-in',
    ],
    [
      'a hook for an event that is none',
      [{ ...app, webhooks: [{ url: 'https://x.example', events: ['x'] }] }],
      'APPS_FILE[0].webhooks[0].events[0]: must be one of',
    ],
    [
      'a client id with spaces',
      [{ ...app, clientId: 'a b' }],
      'APPS_FILE[0].clientId: must be 1 to 512 visible ASCII characters',
    ],
  ])('with %s is refused', (_what, value, problem) => {
    const { apps, problems } = parse(value);
    expect(problems).toEqual([expect.stringContaining(problem)]);
    expect(apps.length).toBeLessThan(2);
  });

  it('is refused with all that is wrong at once', () => {
    const wrong = {
      ...app,
      app: 'X',
      clientSecretEnv: 'NOT_SET',
      principal: 'group',
      landing: { ...landing, mode: 'confirm', brand: '', color: 'x' },
    };
    expect(
      parse([wrong, { ...app, clientId: '' }])
        .problems.map((line) => line.split(':')[0])
        .toSorted(),
    ).toEqual([
      'APPS_FILE[0].app',
      'APPS_FILE[0].clientSecretEnv',
      'APPS_FILE[0].landing.brand',
      'APPS_FILE[0].landing.color',
      'APPS_FILE[0].landing.mode',
      'APPS_FILE[0].principal',
      'APPS_FILE[1].clientId',
    ]);
  });

  it('lets nobody in without a name outside development, unless it says so', () => {
    const confirm = { ...app, landing: { ...landing, mode: 'confirm' } };
    expect(parse([confirm]).problems).toEqual([
      expect.stringContaining('APPS_FILE[0].landing.mode: confirm names nobody'),
    ]);
    expect(parse([{ ...confirm, allowUnverified: true }]).problems).toEqual([]);
    expect(parse([confirm], true).problems).toEqual([]);
  });

  it('keeps inline secrets out of production, and never shows one', () => {
    const inline = { ...app, clientSecretEnv: undefined, clientSecret: 'hush-2' };
    const { problems } = parse([inline]);
    expect(problems).toEqual([
      expect.stringContaining('APPS_FILE[0].clientSecret: is for EVERGRANT_MODE=development alone'),
    ]);
    expect(problems.join()).not.toContain('hush');
    expect(parse([inline], true).problems).toEqual([]);
  });

  it.each([
    [{ clientSecretEnv: undefined }, 'exactly one of them'],
    [{ clientSecretFile: 'secret' }, 'exactly one of them'],
    [{ clientSecretEnv: 'NOT_SET' }, 'names a variable NOT_SET that holds nothing'],
    [{ clientSecretEnv: 'SPACED' }, 'names a variable SPACED that holds no client secret'],
    [{ clientSecretEnv: undefined, clientSecretFile: 'empty' }, 'names a file that holds nothing'],
    [{ clientSecretEnv: undefined, clientSecretFile: 'none' }, 'names a file that holds nothing'],
  ])('needs one client secret that is there: %j', (change, problem) => {
    const { apps, problems } = parse([{ ...app, ...change }], false, { DEMO_SECRET: 'hush-1', SPACED: 'hush hush' });
    expect(apps).toEqual([]);
    expect(problems).toEqual([expect.stringContaining(problem)]);
    expect(problems.join()).not.toContain('hush');
  });

  it('may point to this machine in development alone', () => {
    const local = {
      ...app,
      landing: { ...landing, manageUrl: 'http://localhost:3000/' },
      webhooks: [{ url: 'http://127.0.0.1:3000/hook', events: ['connection.connected'] }],
    };
    expect(parse([local], true).problems).toEqual([]);
    expect(parse([local]).problems).toHaveLength(2);
  });

  it('is part of the configuration of the API', () => {
    const path = join(folder, 'apps.json');
    writeFileSync(path, JSON.stringify([app]));
    const variables = {
      EVERGRANT_MODE: 'development',
      DATABASE_URL: 'postgres://db/x',
      TEMPORAL_ADDRESS: 'temporal:7233',
      EVERGRANT_KEKS: `k1:${Buffer.alloc(32).toString('base64url')}`,
      APPS_FILE: path,
    };
    expect(parseConfig({ ...variables, DEMO_SECRET: 'hush-1' }, 'api').apps).toHaveLength(1);
    expect(() => parseConfig({ ...variables, PORT: 'x' }, 'api')).toThrow(/PORT[^]*APPS_FILE\[0\]\.clientSecretEnv/);
  });
});
