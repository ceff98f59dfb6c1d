import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Kek } from '../../core/kek.ts';
import { Secret } from '../../core/secret.ts';
import type { DataKeyStore, StoredDataKey } from '../../core/stores.ts';
import { buildDataKey, importKeks, rewrapDataKeys } from '../../vault/data-keys.ts';
import { kekFingerprints } from '../../vault/kek.ts';
import { createVault } from '../../vault/vault.ts';

const bytes = (fill: number): string => Buffer.alloc(32, fill).toString('base64url');
const buildKek = (kid: string, fill: number): Kek => ({ kid, key: new Secret(bytes(fill)) });
const one = [buildKek('one', 1)];
const two = [buildKek('two', 2)];

type MemoryStore = DataKeyStore & {
  readonly rows: StoredDataKey[];
  /** How often it was read. */
  looks(): number;
  /** The next reading has seen what there is and answers only when the result is called. */
  hold(): () => void;
};

function createMemoryStore(): MemoryStore {
  const rows: StoredDataKey[] = [];
  let looks = 0;
  let held: Promise<void> | null = null;
  return {
    rows,
    looks: () => looks,
    hold() {
      let open = (): void => undefined;
      held = new Promise((resolve) => {
        open = resolve;
      });
      return open;
    },
    async many() {
      looks += 1;
      const seen = [...rows];
      const waiting = held;
      held = null;
      await waiting;
      return seen;
    },
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
    await replaceCurrent(dataKeys, one);
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

  it('seals under a new data key after it was told to look, and never loses one that it had', async () => {
    const dataKeys = createMemoryStore();
    const early = await createVault({ keks: one, dataKeys });
    const old = await early.seal(new Secret('old'), 'here');
    const before = early.currentKid();
    const made = await replaceCurrent(dataKeys, one);
    expect(early.currentKid()).toBe(before);
    expect(await early.learnKeys()).toEqual({ unreadable: [] });
    expect(early.currentKid()).toBe(made);
    dataKeys.rows.splice(0, dataKeys.rows.length, ...dataKeys.rows.filter(({ kid }) => kid !== before));
    await early.learnKeys();
    expect((await early.open(old, 'here')).reveal()).toBe('old');
  });

  it('goes on under the old data key when it lacks what wraps the new one, and names that one', async () => {
    const dataKeys = createMemoryStore();
    const lagging = await createVault({ keks: one, dataKeys });
    const before = lagging.currentKid();
    const made = await replaceCurrent(dataKeys, two);
    expect(await lagging.learnKeys()).toEqual({ unreadable: [made] });
    expect(lagging.currentKid()).toBe(before);
    const fresh = await (await createVault({ keks: [...two, ...one], dataKeys })).seal(new Secret('fresh'), 'here');
    await expect(lagging.open(fresh, 'here')).rejects.toMatchObject({ code: 'internal', details: { what: 'key' } });
  });

  it('looks once for a key however many values ask for it, and not again soon for one that is not there', async () => {
    const dataKeys = createMemoryStore();
    const early = await createVault({ keks: one, dataKeys });
    await replaceCurrent(dataKeys, one);
    const late = await createVault({ keks: one, dataKeys });
    const sealed = await Promise.all(Array.from({ length: 50 }, () => late.seal(new Secret('many'), 'here')));
    const looks = dataKeys.looks();
    await Promise.all(sealed.map((value) => early.open(value, 'here')));
    expect(dataKeys.looks() - looks).toBe(1);

    const elsewhere = await createVault({ keks: one, dataKeys: createMemoryStore() });
    const foreign = await elsewhere.seal(new Secret('foreign'), 'here');
    for (let turn = 0; turn < 20; turn += 1) await expect(early.open(foreign, 'here')).rejects.toThrow();
    expect(dataKeys.looks() - looks).toBeLessThanOrEqual(3);
  });

  it('finds a key that came to the table while somebody was reading it', async () => {
    const dataKeys = createMemoryStore();
    const early = await createVault({ keks: one, dataKeys });
    const gate = dataKeys.hold();
    const reading = early.learnKeys();
    await replaceCurrent(dataKeys, one);
    const late = await createVault({ keks: one, dataKeys: { ...dataKeys, many: async () => [...dataKeys.rows] } });
    const opening = early.open(await late.seal(new Secret('new'), 'here'), 'here');
    gate();
    await reading;
    expect((await opening).reveal()).toBe('new');
  });

  it('wraps data keys anew under the first key-encryption key, and leaves alone those that are there', async () => {
    const dataKeys = createMemoryStore();
    const before = await createVault({ keks: one, dataKeys });
    const sealed = await before.seal(new Secret('token'), 'here');
    const rewrapped = await rewrapDataKeys(dataKeys.rows, [...two, ...one]);
    expect(rewrapped.map(({ kid, kekKid }) => [kid, kekKid])).toEqual(dataKeys.rows.map(({ kid }) => [kid, 'two']));
    expect(rewrapped.map(({ wrappedBefore }) => wrappedBefore)).toEqual(dataKeys.rows.map(({ wrapped }) => wrapped));
    for (const { wrappedBefore: _, ...key } of rewrapped) {
      const index = dataKeys.rows.findIndex(({ kid }) => kid === key.kid);
      dataKeys.rows.splice(index, 1, { ...key, current: true });
    }
    const after = await createVault({ keks: two, dataKeys });
    expect((await after.open(sealed, 'here')).reveal()).toBe('token');
    expect(await after.fingerprint(new Secret('code'), 'codes')).toBe(
      await before.fingerprint(new Secret('code'), 'codes'),
    );
    expect(await rewrapDataKeys(dataKeys.rows, [...two, ...one])).toEqual([]);
    await expect(rewrapDataKeys(dataKeys.rows, one)).rejects.toMatchObject({ code: 'configuration-invalid' });
  });
});

/** What a rotation does: a new data key is current. Its kid. */
async function replaceCurrent(dataKeys: MemoryStore, keks: readonly Kek[]): Promise<string> {
  const index = dataKeys.rows.findIndex(({ purpose, current }) => current && purpose === 'seal');
  const row = dataKeys.rows[index];
  if (row === undefined) throw new Error('the store holds no data key');
  const made = await buildDataKey(await importKeks(keks), 'seal');
  dataKeys.rows.splice(index, 1, { ...row, current: false }, { ...made, current: true });
  return made.kid;
}
