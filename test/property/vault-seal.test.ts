import { inspect } from 'node:util';
import fc from 'fast-check';
import { compactDecrypt, FlattenedEncrypt, flattenedDecrypt } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '../../core/secret.ts';
import type { StoredDataKey } from '../../core/stores.ts';
import { importSealingKey, kidOf, openBytes, type SealingKey, sealBytes, sealedHeader } from '../../vault/jwe.ts';
import { createVault, type KeyedVault } from '../../vault/vault.ts';

const keys: StoredDataKey[] = [];
const dataKeys = {
  many: async () => keys,
  addFirst: async (key: Omit<StoredDataKey, 'current'>) => {
    keys.push({ ...key, current: true });
  },
};
const kek = { kid: 'k1', key: new Secret(Buffer.alloc(32, 7).toString('base64url')) };
let vault: KeyedVault;
beforeAll(async () => {
  vault = await createVault({ keks: [kek], dataKeys });
});

const text = fc.string({ unit: 'grapheme', maxLength: 400 });
const context = fc.string({ maxLength: 60 });

describe('what the vault seals', () => {
  it('opens in its own context, and is the same to the last character', async () => {
    await fc.assert(
      fc.asyncProperty(text, context, async (value, place) => {
        const opened = await vault.open(await vault.seal(new Secret(value), place), place);
        expect(opened.reveal()).toBe(value);
      }),
    );
  });

  it('never opens in another context', async () => {
    await fc.assert(
      fc.asyncProperty(text, context, context, async (value, place, elsewhere) => {
        fc.pre(place !== elsewhere);
        const sealed = await vault.seal(new Secret(value), place);
        await expect(vault.open(sealed, elsewhere)).rejects.toMatchObject({ name: 'AppError', code: 'internal' });
      }),
    );
  });

  it('never opens when any character of it was changed or cut off', async () => {
    await fc.assert(
      fc.asyncProperty(text, fc.nat(), fc.constantFrom('A', 'z', '-', '.', '='), async (value, at, character) => {
        const sealed = await vault.seal(new Secret(value), 'here');
        const index = at % sealed.length;
        const changed = sealed.slice(0, index) + character + sealed.slice(index + 1);
        fc.pre(changed !== sealed);
        await expect(vault.open(changed, 'here')).rejects.toMatchObject({ name: 'AppError', code: 'internal' });
        await expect(vault.open(sealed.slice(0, index), 'here')).rejects.toMatchObject({ code: 'internal' });
      }),
    );
  });

  it('does not show, nor does the error of a value that fails to open', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 8, maxLength: 60 }), async (value) => {
        const secret = new Secret(`marker-${value}`);
        const sealed = await vault.seal(secret, 'here');
        expect(sealed).not.toContain(secret.reveal());
        const error = await vault.open(sealed, 'there').catch((caught: unknown) => caught);
        expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('marker-');
      }),
      { numRuns: 25 },
    );
  });

  it('is sealed differently each time, so that equal secrets do not look equal', async () => {
    await fc.assert(
      fc.asyncProperty(text, async (value) => {
        const [one, two] = await Promise.all([1, 2].map(() => vault.seal(new Secret(value), 'here')));
        expect(one).not.toBe(two);
      }),
      { numRuns: 25 },
    );
  });
});

/** What `jose` makes of a sealed value: its bytes as text, or null for a refusal. */
async function openByJose(bytes: Uint8Array, sealed: string, place: string): Promise<string | null> {
  const [header = '', , iv = '', ciphertext = '', tag = ''] = sealed.split('.');
  const aad = Buffer.from(`evergrant ${place}`).toString('base64url');
  const key = await crypto.subtle.importKey('raw', Buffer.from(bytes), 'AES-GCM', false, ['decrypt']);
  const options = { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] };
  return await flattenedDecrypt({ protected: header, iv, ciphertext, tag, aad }, key, options).then(
    ({ plaintext }) => Buffer.from(plaintext).toString('hex'),
    () => null,
  );
}

function openHere(key: SealingKey, sealed: string, place: string): string | null {
  try {
    return openBytes(key, sealed, place).toString('hex');
  } catch (error) {
    expect(error).toMatchObject({ name: 'AppError', code: 'internal' });
    return null;
  }
}

describe('what is sealed by jose and opened here', () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  const keyBytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
  /** One of the five parts made another of the same or another length, in proper base64url. */
  const harm = fc.record({ part: fc.nat(4), given: fc.uint8Array({ maxLength: 40 }), cut: fc.boolean() });

  it('is what jose itself opens, byte for byte', async () => {
    await fc.assert(
      fc.asyncProperty(keyBytes, bytes, context, async (secret, value, place) => {
        const key = await importSealingKey('k', Buffer.from(secret));
        const sealed = await sealBytes(key, value, place);
        expect(openHere(key, sealed, place)).toBe(Buffer.from(value).toString('hex'));
        expect(await openByJose(secret, sealed, place)).toBe(Buffer.from(value).toString('hex'));
      }),
    );
  });

  it('is refused whenever jose refuses it: another key, context, or part', async () => {
    await fc.assert(
      fc.asyncProperty(
        keyBytes,
        keyBytes,
        bytes,
        context,
        harm,
        async (secret, other, value, place, { part, given, cut }) => {
          fc.pre(!Buffer.from(secret).equals(other));
          const key = await importSealingKey('k', Buffer.from(secret));
          const otherKey = await importSealingKey('k', Buffer.from(other));
          const sealed = await sealBytes(key, value, place);
          const parts = sealed.split('.');
          const before = Buffer.from(parts[part] ?? '', 'base64url');
          const after = cut ? before.subarray(0, -1) : Buffer.from(given);
          parts[part] = after.toString('base64url');
          const harmed = parts.join('.');
          fc.pre(harmed !== sealed);
          for (const [hand, raw, text, where] of [
            [otherKey, other, sealed, place],
            [key, secret, sealed, `${place}!`],
            // `jose` is not asked about an encrypted key where there is none.
            ...(part === 1 ? [] : [[key, secret, harmed, place] as const]),
          ] as const) {
            expect(await openByJose(raw, text, where)).toBeNull();
            expect(openHere(hand, text, where)).toBeNull();
          }
          expect(openHere(key, harmed, place)).toBeNull();
        },
      ),
    );
  });

  it('has the one header that is written here: what jose would open under another is refused', async () => {
    const secret = Buffer.alloc(32, 3);
    const key = await importSealingKey('k', secret);
    for (const header of [
      { enc: 'A256GCM', alg: 'dir', kid: 'k' },
      { alg: 'dir', enc: 'A256GCM', kid: 'k', typ: 'x' },
    ]) {
      const jwe = await new FlattenedEncrypt(Buffer.from('value'))
        .setProtectedHeader(header)
        .setAdditionalAuthenticatedData(Buffer.from('evergrant here'))
        .encrypt(key.seals);
      const sealed = [jwe.protected, '', jwe.iv, jwe.ciphertext, jwe.tag].join('.');
      expect(await openByJose(secret, sealed, 'here')).toBe(Buffer.from('value').toString('hex'));
      expect(openHere(key, sealed, 'here')).toBeNull();
    }
  });

  it('is no compact JWE to anybody who leaves the context out', async () => {
    const secret = Buffer.alloc(32, 4);
    const sealed = await sealBytes(await importSealingKey('k', secret), Buffer.from('value'), 'here');
    await expect(compactDecrypt(sealed, secret)).rejects.toMatchObject({ code: 'ERR_JWE_DECRYPTION_FAILED' });
  });
});

describe('the header of a sealed value', () => {
  it('is the one by which values under its key are found in the database, whatever is sealed', async () => {
    await fc.assert(
      fc.asyncProperty(text, context, async (value, place) => {
        const sealed = await vault.seal(new Secret(value), place);
        expect(sealed.split('.')[0]).toBe(sealedHeader(kidOf(sealed)));
        expect(kidOf(sealedHeader(vault.currentKid()))).toBe(vault.currentKid());
      }),
    );
  });

  it('never comes out of anything but a header', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.base64String(),
          fc.json().map((json) => btoa(encodeURI(json))),
        ),
        (garbage) => {
          expect(() => kidOf(garbage)).toThrow(expect.objectContaining({ code: 'internal' }));
        },
      ),
    );
  });
});

describe('a secret', () => {
  it('prints as a mask in every form', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 4 }), (value) => {
        const marked = `marker-${value}`;
        const secret = new Secret(marked);
        const forms = [
          String(secret),
          `${secret}`,
          JSON.stringify({ secret }),
          inspect({ secret }, { depth: 9, showHidden: true }),
          Object.values(secret).join(),
          Object.entries(secret).join(),
        ];
        for (const form of forms) expect(form).not.toContain('marker-');
        expect(secret.reveal()).toBe(marked);
      }),
    );
  });
});

describe('a fingerprint', () => {
  it('is the same for the same secret and context, and another for any other', async () => {
    await fc.assert(
      fc.asyncProperty(text, text, context, context, async (value, other, place, elsewhere) => {
        fc.pre(value !== other && place !== elsewhere);
        const print = await vault.fingerprint(new Secret(value), place);
        expect(await vault.fingerprint(new Secret(value), place)).toBe(print);
        expect(await vault.fingerprint(new Secret(other), place)).not.toBe(print);
        expect(await vault.fingerprint(new Secret(value), elsewhere)).not.toBe(print);
      }),
    );
  });
});
