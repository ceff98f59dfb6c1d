/** The exchange of keys on a real database. Longer than 300 lines: each interruption has its case. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sealContexts } from '../../core/seal-contexts.ts';
import { Secret } from '../../core/secret.ts';
import { assertInstallation } from '../../db/installation.ts';
import { sealedColumns } from '../../db/sealed-columns.ts';
import { systemClock } from '../../runtime/clock.ts';
import { kekFingerprints } from '../../vault/kek.ts';
import { createKeyWatch } from '../../vault/key-watch.ts';
import { withClient } from '../rig/postgres-client.ts';
import { evergrant } from './cli-terminal.ts';
import { silentLog } from './db-silent-log.ts';
import { createKeyRig, type KeyRig, makeKek } from './key-rig.ts';
import { manySealedColumns } from './sealed-scan.ts';
import { act } from './store-fixtures.ts';

let rig: KeyRig;
beforeEach(async () => {
  rig = await createKeyRig();
});
afterEach(() => rig.close());

const nameOf = ({ table, column }: { readonly table: string; readonly column: string }) => `${table}.${column}`;

describe('the list of sealed columns', () => {
  it('has a column for every context in which anything is sealed', () => {
    const listed = new Set<unknown>(sealedColumns.map(({ contextOf }) => contextOf));
    for (const [name, context] of Object.entries(sealContexts)) expect(listed.has(context), name).toBe(true);
  });

  it('is what a search through the whole database finds', async () => {
    expect(await manySealedColumns(rig.database.adminUrl)).toEqual([...sealedColumns.map(nameOf)].sort());
  });
});

describe('a sealed value', () => {
  it.each(sealedColumns.map((column) => [nameOf(column), column] as const))(
    'of %s opens in no other row and in no other column',
    async (_name, column) => {
      const [one, two] = await rig.all(column);
      if (one === undefined || two === undefined) throw new Error('two rows were expected');
      await rig.put(column, two.key, one.sealed);
      const moved = (await rig.all(column)).find(({ key }) => key === two.key);
      expect(moved?.sealed).toBe(one.sealed);
      await expect(rig.vault.open(one.sealed, moved?.context ?? '')).rejects.toMatchObject({ code: 'internal' });

      let tried = 0;
      for (const other of sealedColumns.filter((candidate) => candidate !== column)) {
        for (const { context } of await rig.all(other)) {
          await expect(rig.vault.open(one.sealed, context), nameOf(other)).rejects.toMatchObject({ code: 'internal' });
          tried += 1;
        }
      }
      expect(tried).toBe(2 * (sealedColumns.length - 1));
      expect((await rig.vault.open(one.sealed, one.context)).reveal()).toBe(rig.plaintextOf(column, one.key));
    },
  );
});

describe('a rotation', () => {
  it('seals everything anew under a key of its own, and changes nothing of what it says', async () => {
    const before = rig.vault.currentKid();
    const print = await rig.vault.fingerprint(new Secret('a code'), 'codes');
    const result = await rig.rotate();
    const cells = 2 * sealedColumns.length;
    expect(result).toMatchObject({ isNewDataKey: true, resealed: cells, remaining: 0, unopenable: [], again: null });
    expect(await rig.openAll()).toEqual(new Set([result.dataKey]));
    expect(result.dataKey).not.toBe(before);
    const late = await rig.openVault();
    expect(await late.fingerprint(new Secret('a code'), 'codes')).toBe(print);
    const keys = await rig.rotation.manyKeys();
    expect(keys.map(({ kid, current }) => [kid, current])).toContainEqual([before, false]);
    expect(keys.find(({ kid }) => kid === before)?.emptiedAtMs).not.toBeNull();
  });

  it('is told to the audit trail, with who did it', async () => {
    await rig.rotate();
    const { rows } = await rig.pool.query('SELECT type, actor, subject FROM audit_events ORDER BY id');
    expect(rows.filter(({ type }) => type.startsWith('keys.'))).toEqual([
      { type: 'keys.replaced', actor: act.actor, subject: expect.any(String) },
      { type: 'keys.emptied', actor: act.actor, subject: rig.vault.currentKid() },
    ]);
  });

  it('reaches a process that runs: what is new opens at once, and it seals under the new key after one look', async () => {
    const { dataKey } = await rig.rotate();
    const sealed = await (await rig.openVault()).seal(new Secret('new'), 'here');
    expect((await rig.vault.open(sealed, 'here')).reveal()).toBe('new');
    expect(rig.vault.currentKid()).toBe(dataKey);
  });

  it('keeps what was sealed under the old key and is on its way through Temporal readable for 30 days', async () => {
    const old = rig.vault.currentKid();
    const lifeboat = await rig.vault.seal(new Secret('an answer'), 'afloat');
    await rig.rotate();
    expect((await (await rig.openVault()).open(lifeboat, 'afloat')).reveal()).toBe('an answer');

    const age = (days: number) =>
      withClient(rig.database.adminUrl, (admin) =>
        admin.query(`UPDATE data_keys SET replaced_at = now() - $2::interval WHERE kid = $1`, [old, `${days} days`]),
      );
    await age(29);
    expect((await rig.rotate()).removed).toEqual([]);
    await age(31);
    expect((await rig.rotate()).removed).toEqual([old]);
    await expect((await rig.openVault()).open(lifeboat, 'afloat')).rejects.toMatchObject({ details: { what: 'key' } });
    await rig.openAll();
  });

  it('never writes over a token that came meanwhile, and seals that one too', async () => {
    const column = sealedColumns.find(({ column: name }) => name === 'current_token');
    if (column === undefined) throw new Error('there is no such column');
    const [victim] = await rig.all(column);
    if (victim === undefined) throw new Error('there is no row');
    const newest = await rig.vault.seal(new Secret('newest'), victim.context);
    let raced = 0;
    const { dataKey, again } = await rig.rotate({
      patienceMs: 5_000,
      cells: {
        ...rig.cells,
        async replace(of, cells) {
          // A refresh, between the reading and the writing of the rotation.
          if (of === column && raced === 0) {
            raced += 1;
            await rig.put(column, victim.key, newest);
          }
          return rig.cells.replace(of, cells);
        },
      },
    });
    expect({ raced, again }).toEqual({ raced: 1, again: null });
    const cell = (await rig.all(column)).find(({ key }) => key === victim.key);
    expect(cell?.sealed).not.toBe(newest);
    expect((await rig.vault.open(cell?.sealed ?? '', victim.context)).reveal()).toBe('newest');
    expect(rig.vault.currentKid()).toBe(dataKey);
  });

  it('waits for no row that is in use, says what is left, and goes on with the same key when run again', async () => {
    const client = await rig.pool.connect();
    await client.query(`BEGIN; SELECT FROM connections WHERE id = 'connection-one' FOR UPDATE`);
    const first = await rig.rotate();
    expect(first).toMatchObject({ isNewDataKey: true, remaining: 2, again: expect.stringContaining('2 values') });
    await client.query('COMMIT');
    client.release();
    const second = await rig.rotate();
    expect(second).toMatchObject({
      isNewDataKey: false,
      dataKey: first.dataKey,
      resealed: 2,
      remaining: 0,
      again: null,
    });
    expect(await rig.openAll()).toEqual(new Set([first.dataKey]));
  });

  it('leaves what does not open as it is, names it, and comes to its end for everything else', async () => {
    const column = sealedColumns.find(({ table }) => table === 'app_secrets');
    if (column === undefined) throw new Error('there is no such column');
    await rig.put(column, 'secret-one', 'not sealed at all');
    const { code, out, err } = await evergrant(rig.environment, ['keys', 'rotate', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      done: false,
      again: null,
      remaining: 1,
      unopenable: [{ table: 'app_secrets', column: 'sealed', row: 'secret-one' }],
    });
    expect(err).toContain('app_secrets.sealed of secret-one');
    expect(err).not.toContain('not sealed at all');
    // It stands in the way of no later rotation.
    expect(await rig.rotate()).toMatchObject({ isNewDataKey: true, remaining: 1 });
  });

  it('is one at a time: a second says so and asks to be run again', async () => {
    const lock = await rig.rotation.maybeLock();
    const before = await rig.rotation.manyKeys();
    const { code, err } = await evergrant(rig.environment, ['keys', 'rotate']);
    expect({ code, err }).toEqual({ code: 75, err: 'Another rotation is running. Run it again.\n' });
    expect(await rig.rotation.manyKeys()).toEqual(before);
    lock?.release();
    expect((await evergrant(rig.environment, ['keys', 'rotate'])).code).toBe(0);
  });

  it('of two that begin at the same moment leaves one new key', async () => {
    const both = await Promise.all([rig.rotate(), rig.rotate()]);
    expect(both.map(({ again }) => again).sort()).toEqual(['Another rotation is running.', null]);
    expect((await rig.rotation.manyKeys()).filter(({ purpose }) => purpose === 'seal')).toHaveLength(2);
    await rig.openAll();
  });
});

describe('a running process', () => {
  it('that lacks the new key-encryption key keeps a rotation from beginning', async () => {
    const next = makeKek('k2');
    const before = await rig.rotation.manyKeys();
    await rig.holders.report(rig.buildHolder());
    const { again } = await rig.rotate({ keks: [next, rig.kek] });
    expect(again).toContain('api on somewhere, process 1 must be restarted first, with k2');
    expect(await rig.rotation.manyKeys()).toEqual(before);
  });

  it('that seals under the old key still keeps a rotation from calling it empty', async () => {
    const holder = rig.buildHolder();
    await rig.holders.report(holder);
    const { dataKey, again } = await rig.rotate();
    expect(again).toContain('still seals under an older key');
    await rig.holders.report({ ...holder, currentDataKey: dataKey ?? '' });
    expect(await rig.rotate()).toMatchObject({ isNewDataKey: false, again: null });
  });

  it('learns of the new key by itself and is waited for, and is off the list when it ends', async () => {
    const vault = await rig.openVault();
    const watch = await createKeyWatch({
      vault,
      kekFingerprints: kekFingerprints([rig.kek]),
      holders: rig.holders,
      role: 'api',
      clock: systemClock,
      log: silentLog,
    });
    expect(await rig.rotation.manyHolders()).toHaveLength(1);
    const { dataKey, again } = await rig.rotate({ patienceMs: 20_000 });
    expect(again).toBeNull();
    expect(vault.currentKid()).toBe(dataKey);
    await watch.close();
    expect(await rig.rotation.manyHolders()).toEqual([]);
  });

  it('that said nothing for a minute is gone', async () => {
    await rig.holders.report(rig.buildHolder());
    await rig.pool.query(`UPDATE key_holders SET seen_at = now() - interval '61 seconds'`);
    expect(await rig.rotation.manyHolders()).toEqual([]);
  });
});

describe('a new key-encryption key', () => {
  it('is let in beside the old one, is the only one needed after the rotation, and the old one alone starts nothing', async () => {
    const next = makeKek('k2');
    const start = (...keks: readonly ReturnType<typeof makeKek>[]) =>
      assertInstallation(rig.pool, { mode: 'production', kekFingerprints: kekFingerprints(keks) });
    await expect(start(next)).rejects.toMatchObject({ code: 'configuration-invalid' });
    await start(next, rig.kek);
    const print = await rig.vault.fingerprint(new Secret('a code'), 'codes');

    const result = await rig.rotate({ keks: [next, rig.kek] });
    expect(result).toMatchObject({ again: null, remaining: 0 });
    expect(result.rewrapped).toHaveLength(2);
    await start(next);
    await start(rig.kek, next);
    await expect(start(rig.kek)).rejects.toMatchObject({ code: 'configuration-invalid' });
    await expect(rig.openVault([rig.kek])).rejects.toMatchObject({ code: 'configuration-invalid' });
    expect(await rig.openAll([next])).toEqual(new Set([result.dataKey]));
    expect(await (await rig.openVault([next])).fingerprint(new Secret('a code'), 'codes')).toBe(print);
  });

  it('wraps the data keys and leaves the values alone when nothing else is asked', async () => {
    const next = makeKek('k2');
    const before = rig.vault.currentKid();
    const result = await rig.rotate({ keks: [next, rig.kek] }, { keksOnly: true });
    expect(result).toMatchObject({ dataKey: null, resealed: 0, again: null });
    expect(await rig.openAll([next])).toEqual(new Set([before]));
  });

  it('under the name of the old one is refused with one message and exit code 78', async () => {
    const imposter = `k1:${makeKek('k1').key.reveal()}`;
    const environment = { ...rig.environment, EVERGRANT_KEKS: imposter };
    const { code, out, err } = await evergrant(environment, ['keys', 'rotate']);
    expect({ code, out }).toEqual({ code: 78, out: '' });
    expect(err.trim().split('\n')).toHaveLength(1);
    expect(err).toContain('EVERGRANT_KEKS');
  });
});

describe('keys status', () => {
  const status = async (environment: Readonly<Record<string, string>> = rig.environment) =>
    (await evergrant(environment, ['keys', 'status', '--json'])).json();

  it('needs no keys, and says what it can not know without them', async () => {
    const { EVERGRANT_KEKS: _keks, ...reader } = rig.environment;
    const shown = await status(reader);
    expect(shown).toMatchObject({ keks: [], total: 2 * sealedColumns.length, to_reseal: 0 });
    expect(shown.advice).toEqual([expect.stringContaining('EVERGRANT_KEKS is not set here')]);
  });

  it('counts what is sealed under which key, before, in the middle of and after a rotation', async () => {
    const all = 2 * sealedColumns.length;
    const before = rig.vault.currentKid();
    expect(await status()).toMatchObject({ total: all, to_reseal: 0, advice: [] });
    const holder = rig.buildHolder();
    await rig.holders.report(holder);
    const client = await rig.pool.connect();
    await client.query(`BEGIN; SELECT FROM connections WHERE id = 'connection-one' FOR UPDATE`);
    const { dataKey } = await rig.rotate();
    await client.query('COMMIT');
    client.release();
    expect(await status()).toMatchObject({
      to_reseal: 2,
      data_keys: expect.arrayContaining([
        expect.objectContaining({ kid: before, state: 'replaced', sealed_values: 2 }),
        expect.objectContaining({ kid: dataKey, state: 'current', sealed_values: all - 2 }),
      ]),
      processes: [expect.objectContaining({ name: holder.name, data_key: before })],
      advice: [expect.stringContaining('A rotation is not finished, 2 values are to be re-sealed')],
    });
    await rig.holders.leave(holder.id);
    await rig.rotate();
    expect(await status()).toMatchObject({ total: all, to_reseal: 0, processes: [], advice: [] });
  });

  it('says that the old key-encryption key may go when that is true, and not before', async () => {
    const next = makeKek('k2');
    const keks = `k2:${next.key.reveal()},${rig.environment.EVERGRANT_KEKS}`;
    const both = { ...rig.environment, EVERGRANT_KEKS: keks };
    const holder = rig.buildHolder();
    await rig.holders.report(holder);
    expect((await status(both)).advice).toEqual([
      expect.stringContaining(`${holder.name} does not have k2 yet`),
      expect.stringContaining(
        '2 data keys lie under another key than k2, the first of EVERGRANT_KEKS: run evergrant keys rotate after that',
      ),
    ]);
    await rig.holders.leave(holder.id);
    const rotated = await evergrant(both, ['keys', 'rotate', '--json']);
    expect(rotated).toMatchObject({ code: 0, err: '' });
    expect(rotated.json()).toMatchObject({ done: true, new_data_key: true });
    const { advice, keks: shown } = await status(both);
    expect(advice).toEqual([expect.stringContaining('k1 may be removed from EVERGRANT_KEKS')]);
    expect(shown).toEqual([
      expect.objectContaining({ kid: 'k2', role: 'current', data_keys: 3 }),
      expect.objectContaining({ kid: 'k1', role: 'kept', data_keys: 0 }),
    ]);
    expect((await evergrant(both, ['keys', 'status'])).out).toContain('k1 may be removed from EVERGRANT_KEKS');
    expect((await status({ ...both, EVERGRANT_KEKS: `k2:${next.key.reveal()}` })).advice).toEqual([]);
  });
});
