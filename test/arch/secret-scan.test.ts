/** No secret was committed, and the scan finds one of each kind. Planted ones are made here, so that none is on file. */
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readRepository } from '../../dev/check/repository-files.ts';
import { scanForSecrets } from '../../dev/check/secret-scan.ts';
import { root } from './planted-house.ts';

const random = (bytes: number): string => randomBytes(bytes).toString('base64url');
/** Random text of letters and digits. */
const word = (length: number): string =>
  randomBytes(length * 2)
    .toString('base64')
    .replaceAll(/[^A-Za-z0-9]/g, '')
    .slice(0, length);
const json = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const ed25519 = generateKeyPairSync('ed25519').privateKey;

const planted: Readonly<Record<string, string>> = {
  'private key': ed25519.export({ type: 'pkcs8', format: 'pem' }).toString(),
  'private JWK': JSON.stringify(ed25519.export({ format: 'jwk' })),
  JWT: `const token = '${json({ alg: 'RS256' })}.${json({ sub: random(16) })}.${random(64)}';`,
  JWE: `${json({ alg: 'dir', enc: 'A256GCM' })}..${random(12)}.${random(40)}.${random(16)}`,
  'AWS access key': `id = ${['AKI', 'A'].join('')}${'ABCDEFGHIJKLMNOP'}`,
  'GitHub token': `${['gh', 'p_'].join('')}${word(36)}`,
  'npm token': `//registry/:_authToken=${['np', 'm_'].join('')}${word(36)}`,
  'Slack token': `${['xox', 'b-'].join('')}${word(24)}`,
  'Google API key': `${['AI', 'za'].join('')}${word(35)}`,
  'Stripe key': `${['sk_', 'live_'].join('')}${word(24)}`,
  'webhook secret': `${['whs', 'ec_'].join('')}${word(32)}`,
  'password in a URL': `DATABASE_URL=postgres://app:${word(12)}@db.example:5432/evergrant`,
  'high-entropy value': `CLIENT_SECRET=${random(32)}0aA`,
};

const harmless = [
  "clientSecret: 'sandbox-demo-code-client-secret',",
  "const clientId = '5a1d0c0e-7e57-4a99-9c0d-e5a9db0c0002';",
  "password: process.env.POSTGRES_PASSWORD ?? 'postgres'",
  'DATABASE_URL=postgres://user:password@host:5432/evergrant',
  'const url = `postgres://${user}:${password}@${host}/evergrant`;',
  'export const assertNoSecretIsLeftInTheClearAnywhere = true;',
  `sha256 ${createHash('sha256').update('a file').digest('hex')}`,
];

describe('the repository', () => {
  const files = readRepository(root);

  it('holds no secret', () => {
    expect(scanForSecrets(files).map(({ kind, path, line }) => `${kind}: ${path}:${line}`)).toEqual([]);
  });

  it('was really looked at', () => {
    expect(files.length).toBeGreaterThan(300);
    expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining(['core/secret.ts', 'package.json']));
  });
});

describe('a planted secret', () => {
  it.each(Object.entries(planted))('of the kind %s is found, with its line', (kind, text) => {
    const found = scanForSecrets([{ path: 'docs/notes.md', text: `# Notes\n\n${text}` }]);
    expect(found).toContainEqual({ kind, path: 'docs/notes.md', line: 3 });
  });

  it.each(harmless)('is not seen in %s', (text) => {
    expect(scanForSecrets([{ path: 'docs/notes.md', text }])).toEqual([]);
  });
});
