import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Kek } from '../../core/kek.ts';
import { Secret } from '../../core/secret.ts';
import type { DataKeyStore, StoredDataKey } from '../../core/stores.ts';
import { kekFingerprints } from '../../vault/kek.ts';
import { createVault } from '../../vault/vault.ts';

const bytes = (fill: number): string => Buffer.alloc(32, fill).toString('base64url');
const buildKek = (kid: string, fill: number): Kek => ({ kid, key: new Secret(bytes(fill)) });
const one = [buildKek('one', 1)];
const two = [buildKek('two', 2)];

function createMemoryStore(): DataKeyStore & { readonly rows: StoredDataKey[] } {
  const rows: StoredDataKey[] = [];
  return {
    rows,
    many: async () => [...rows],
    addFirst: async (key) => {
      if (!rows.some(({ purpose, current }) => current && purpose === key.purpose))
        rows.push({ ...key, current: true });
    },
  };
}

describe('key-encryption keys', () => {
  it('leave fingerprints that tell keys apart but not what they are', () => {
    expect(kekFingerprints([...one, ...two])).toHaveLength(2);
    expect(kekFingerprints(one)).toEqual(kekFingerprints([buildKek('renamed', 1)]));
    expect(kekFingerprints(one)).not.toEqual(kekFingerprints(two));
    expect(kekFingerprints(one).join()).not.toContain(bytes(1));
    expect(inspect(one, { depth: 9 })).not.toContain(bytes(1));
  });
});

describe('the key ring', () => {
  it('makes its data keys once, and a second process opens what the first has sealed', async () => {
    const dataKeys = createMemoryStore();
    const first = await createVault({ keks: one, dataKeys });
    const second = await createVault({ keks: one, dataKeys });
    expect(dataKeys.rows.map(({ purpose }) => purpose)).toEqual(['seal', 'fingerprint']);
    const sealed = await first.seal(new Secret('token'), 'here');
    expect((await second.open(sealed, 'here')).reveal()).toBe('token');
    expect(await second.fingerprint(new Secret('code'), 'codes')).toBe(
      await first.fingerprint(new Secret('code'), 'codes'),
    );
  });

  it('agrees with a process that starts at the same moment', async () => {
    const dataKeys = createMemoryStore();
    const [left, right] = await Promise.all([1, 2].map(() => createVault({ keks: one, dataKeys })));
    expect(dataKeys.rows).toHaveLength(2);
    const sealed = await left?.seal(new Secret('token'), 'here');
    expect((await right?.open(sealed ?? '', 'here'))?.reveal()).toBe('token');
  });

  it('goes on with a new current key-encryption key as long as the old one is there too', async () => {
    const dataKeys = createMemoryStore();
    const before = await createVault({ keks: one, dataKeys });
    const sealed = await before.seal(new Secret('token'), 'here');
    const after = await createVault({ keks: [...two, ...one], dataKeys });
    expect((await after.open(sealed, 'here')).reveal()).toBe('token');
  });

  it('refuses to start without the key that wrapped the data keys, and with another key of its name', async () => {
    const dataKeys = createMemoryStore();
    await createVault({ keks: one, dataKeys });
    await expect(createVault({ keks: two, dataKeys })).rejects.toMatchObject({ code: 'configuration-invalid' });
    const imposter = [buildKek('one', 9)];
    await expect(createVault({ keks: imposter, dataKeys })).rejects.toMatchObject({ code: 'configuration-invalid' });
  });

  it('fetches a data key that another process has made meanwhile, and keeps opening what the older one sealed', async () => {
    const dataKeys = createMemoryStore();
    const early = await createVault({ keks: one, dataKeys });
    const old = await early.seal(new Secret('old'), 'here');
    const other = createMemoryStore();
    await createVault({ keks: one, dataKeys: other });
    const [rotated] = other.rows.filter(({ purpose }) => purpose === 'seal');
    const index = dataKeys.rows.findIndex(({ purpose }) => purpose === 'seal');
    const [row] = dataKeys.rows.slice(index, index + 1);
    if (row === undefined || rotated === undefined) throw new Error('the stores hold no data key');
    dataKeys.rows.splice(index, 1, { ...row, current: false }, rotated);

    const late = await createVault({ keks: one, dataKeys });
    const fresh = await late.seal(new Secret('fresh'), 'here');
    expect((await early.open(fresh, 'here')).reveal()).toBe('fresh');
    expect((await early.open(old, 'here')).reveal()).toBe('old');
    expect(await late.fingerprint(new Secret('code'), 'codes')).toBe(
      await early.fingerprint(new Secret('code'), 'codes'),
    );
  });

  it('does not open what was sealed under a key that is on file nowhere', async () => {
    const here = await createVault({ keks: one, dataKeys: createMemoryStore() });
    const elsewhere = await createVault({ keks: one, dataKeys: createMemoryStore() });
    const sealed = await elsewhere.seal(new Secret('token'), 'here');
    await expect(here.open(sealed, 'here')).rejects.toMatchObject({ code: 'internal', details: { what: 'key' } });
    await expect(here.open('not a sealed value', 'here')).rejects.toMatchObject({ details: { what: 'header' } });
  });
});
