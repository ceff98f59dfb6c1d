import { inspect } from 'node:util';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '../../core/secret.ts';
import type { StoredDataKey } from '../../core/stores.ts';
import { kidOf, sealedHeader } from '../../vault/jwe.ts';
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
