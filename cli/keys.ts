import type { Command } from 'commander';
import { formatTime } from '../core/connection-resource.ts';
import { AppError } from '../core/errors.ts';
import { kekFingerprints } from '../vault/kek.ts';
import {
  adviseOnKeys,
  countToReSeal,
  countUnder,
  currentDataKey,
  type KeyFacts,
  readKeyFacts,
  totalOf,
} from './key-facts.ts';
import { printJson, printTable } from './print.ts';
import { progressBar } from './progress-bar.ts';
import { type Rotation, rotateKeys } from './rotate-keys.ts';
import { addVerb, type Bench } from './verb.ts';

/** Running processes learn of a new key within seconds, and a row is in use for less than a second. */
const PATIENCE_MS = 60_000;

/** `evergrant keys`: which keys there are, what is sealed under them, and new ones in their place. */
export function addKeys(program: Command, bench: Bench): void {
  const noun = program.command('keys').description('keys that everything on file is sealed under');

  addVerb(noun, 'status', 'which keys there are, what is sealed under each, and what to do now').action(
    ({ json }: { readonly json?: true }) => showStatus(bench, json),
  );

  addVerb(noun, 'rotate', 'a new data key for everything on file, under the first key of EVERGRANT_KEKS')
    .option('--keks-only', 'put the data keys under the first key of EVERGRANT_KEKS and leave it at that')
    .addHelpText(
      'after',
      '\nAPI and workers go on meanwhile. Whatever cuts it short: run it again, and it goes on where it was.\n' +
        'Exit code 75: something is left; run it again.',
    )
    .action((options: { readonly json?: true; readonly keksOnly?: true }) => rotate(bench, options));
}

async function showStatus({ terminal, tools }: Bench, json: true | undefined): Promise<void> {
  const { config, keyRotation: rotation, sealedCells: cells } = tools();
  const fingerprints = kekFingerprints(config.keks);
  const keks = config.keks.map(({ kid }, index) => ({ kid, fingerprint: fingerprints[index] ?? '' }));
  const facts = await readKeyFacts({ rotation, cells }, keks);
  const resource = buildStatusResource(facts);
  if (json) return printJson(terminal, resource);

  printTable(terminal, ['key-encryption key', 'fingerprint', 'role', 'data keys'], resource.keks.map(Object.values));
  terminal.out('\n');
  printTable(
    terminal,
    ['data key', 'purpose', 'under', 'state', 'created', 'replaced', 'sealed values'],
    resource.data_keys.map((key) => [
      key.kid,
      key.purpose,
      key.kek,
      key.state,
      key.created_at,
      key.replaced_at,
      key.sealed_values,
    ]),
  );
  terminal.out('\n');
  printTable(
    terminal,
    ['sealed values', 'all', 'to be re-sealed'],
    [
      ...resource.sealed.map(({ table, column, total, to_reseal }) => [`${table}.${column}`, total, to_reseal]),
      ['together', resource.total, resource.to_reseal],
    ],
  );
  if (resource.processes.length > 0) {
    terminal.out('\n');
    printTable(
      terminal,
      ['running', 'seals under'],
      resource.processes.map(({ name, data_key: key }) => [name, key]),
    );
  }
  terminal.out('\n');
  for (const line of resource.advice.length === 0 ? ['Nothing is to be done.'] : resource.advice) {
    terminal.out(`${line}\n`);
  }
}

function buildStatusResource(facts: KeyFacts) {
  const { keks, dataKeys, columns, holders } = facts;
  const current = currentDataKey(dataKeys)?.kid ?? '';
  return {
    keks: keks.map(({ kid, fingerprint }, index) => ({
      kid,
      fingerprint,
      role: index === 0 ? 'current' : 'kept',
      data_keys: dataKeys.filter(({ kekKid }) => kekKid === kid).length,
    })),
    data_keys: dataKeys.map((key) => ({
      kid: key.kid,
      purpose: key.purpose,
      kek: key.kekKid,
      current: key.current,
      state: stateOf(key),
      created_at: formatTime(key.createdAtMs),
      replaced_at: formatTime(key.replacedAtMs),
      emptied_at: formatTime(key.emptiedAtMs),
      // The fingerprint key seals nothing: it makes what codes and tokens are recognised by.
      sealed_values: key.purpose === 'seal' ? countUnder(columns, key.kid) : null,
    })),
    sealed: columns.map((column) => ({
      table: column.table,
      column: column.column,
      total: totalOf(column),
      to_reseal: countToReSeal([column], current),
    })),
    total: columns.reduce((sum, column) => sum + totalOf(column), 0),
    to_reseal: countToReSeal(columns, current),
    processes: holders.map(({ name, kekFingerprints: fingerprints, currentDataKey: key }) => ({
      name,
      data_key: key,
      kek_fingerprints: fingerprints,
    })),
    advice: adviseOnKeys(facts),
  };
}

function stateOf({ current, emptiedAtMs }: KeyFacts['dataKeys'][number]): 'current' | 'replaced' | 'empty' {
  if (current) return 'current';
  return emptiedAtMs === null ? 'replaced' : 'empty';
}

async function rotate(
  bench: Bench,
  { json, keksOnly = false }: { readonly json?: true; readonly keksOnly?: boolean },
): Promise<void> {
  const { terminal, tools } = bench;
  const { config, clock, act, keyRotation: rotation, sealedCells: cells, vault } = tools();
  const result = await rotateKeys(
    {
      clock,
      act,
      vault: await vault(),
      keks: config.keks,
      rotation,
      cells,
      onProgress: (done, total) => terminal.progress?.(progressBar(done, total, 're-sealed')),
      patienceMs: PATIENCE_MS,
    },
    { keksOnly },
  );
  terminal.progress?.('');
  if (json) printJson(terminal, buildRotationResource(result));
  else tell(bench, result, config.keks[0]?.kid ?? '');
  for (const { table, column, row } of result.unopenable) {
    terminal.err(`${table}.${column} of ${row} does not open and was left as it is\n`);
  }
  if (result.again !== null) return bench.tryAgain(`${result.again} Run it again.`);
  if (result.unopenable.length > 0) {
    throw new AppError(
      'conflict',
      `${result.unopenable.length} sealed values do not open; everything else is re-sealed`,
    );
  }
}

function tell({ terminal }: Bench, result: Rotation, kek: string): void {
  const { rewrapped, dataKey, isNewDataKey, resealed, removed } = result;
  if (rewrapped.length > 0) terminal.out(`${rewrapped.length} data keys are under ${kek} now.\n`);
  else if (dataKey === null && result.again === null) terminal.out(`The data keys are under ${kek} already.\n`);
  if (dataKey === null) return;
  terminal.out(
    `${isNewDataKey ? 'New data key' : 'Going on with data key'} ${dataKey}: ${resealed} values re-sealed.\n`,
  );
  for (const kid of removed)
    terminal.out(`Data key ${kid} was removed: replaced 30 days ago, nothing is sealed under it.\n`);
}

function buildRotationResource(result: Rotation) {
  return {
    rewrapped: result.rewrapped,
    data_key: result.dataKey,
    new_data_key: result.isNewDataKey,
    resealed: result.resealed,
    remaining: result.remaining,
    unopenable: result.unopenable,
    removed: result.removed,
    done: result.again === null && result.unopenable.length === 0,
    again: result.again,
  };
}
