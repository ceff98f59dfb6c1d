import type { Pool } from 'pg';
import { AppError } from '../core/errors.ts';
import { hasSqlState } from './database-error.ts';
import { query } from './query.ts';

export interface Installation {
  readonly mode: 'development' | 'production';
  /** Fingerprints of the key-encryption keys in hand, the current one first; see `vault/kek.ts`. */
  readonly kekFingerprints: readonly string[];
}

const UNDEFINED_TABLE = '42P01';

/**
 * Makes sure that this process belongs to this database: on first use mode and current key are written down, later
 * the mode must be the same and the key among those in hand (during a rotation there are two).
 * Throws `configuration-invalid`, so that neither a development process with generated keys nor one with
 * another installation's keys ever seals a token here.
 */
export async function assertInstallation(pool: Pool, installation: Installation): Promise<void> {
  const [current] = installation.kekFingerprints;
  if (current === undefined) throw new AppError('configuration-invalid', 'EVERGRANT_KEKS: no key given');
  await query(pool, 'INSERT INTO installation (mode, kek_fingerprint) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    installation.mode,
    current,
  ]);
  await assertNotForeign(pool, installation);
}

/**
 * The same for programs that may come before the first process, or without keys: a database that is nobody's yet may
 * be anybody's, and keys are looked at where there are any. Throws `configuration-invalid`.
 */
export async function assertNotForeign(pool: Pool, { mode, kekFingerprints }: Installation): Promise<void> {
  const installed = await maybeInstalled(pool);
  if (installed === null) return;
  const wrong: string[] = [];
  if (installed.mode !== mode) {
    wrong.push(
      `EVERGRANT_MODE: this database belongs to an installation in mode ${installed.mode}, this process is in mode ${mode}`,
    );
  }
  const { kek_fingerprint: expected } = installed;
  if (kekFingerprints.length > 0 && !kekFingerprints.includes(expected)) {
    wrong.push('EVERGRANT_KEKS: the key that this database was set up with is not among the ones given');
  }
  if (wrong.length === 0) return;
  throw new AppError('configuration-invalid', wrong.join('\n'), { details: { expected, given: kekFingerprints } });
}

interface InstalledRow {
  readonly mode: string;
  readonly kek_fingerprint: string;
}

/** Null before the first process, and before the first migration. */
async function maybeInstalled(pool: Pool): Promise<InstalledRow | null> {
  try {
    const { rows } = await query<InstalledRow>(pool, 'SELECT mode, kek_fingerprint FROM installation');
    return rows[0] ?? null;
  } catch (error) {
    if (hasSqlState(error, UNDEFINED_TABLE)) return null;
    throw error;
  }
}
