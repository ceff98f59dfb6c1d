import type { Pool } from 'pg';
import { AppError } from '../core/errors.ts';
import { query } from './query.ts';

export interface Installation {
  readonly mode: 'development' | 'production';
  /** Fingerprints of the key-encryption keys in hand, the current one first; see `vault/kek.ts`. */
  readonly kekFingerprints: readonly string[];
}

/**
 * Makes sure that this process belongs to this database: on first use mode and current key are written down, later
 * the mode must be the same and the key among those in hand (during a rotation there are two).
 * Throws `configuration-invalid`, so that neither a development process with generated keys nor one with
 * another installation's keys ever seals a token here.
 */
export async function assertInstallation(pool: Pool, { mode, kekFingerprints }: Installation): Promise<void> {
  const [current] = kekFingerprints;
  if (current === undefined) throw new AppError('configuration-invalid', 'EVERGRANT_KEKS: no key given');
  await query(pool, 'INSERT INTO installation (mode, kek_fingerprint) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    mode,
    current,
  ]);
  const { rows } = await query<{ mode: string; kek_fingerprint: string }>(
    pool,
    'SELECT mode, kek_fingerprint FROM installation',
  );
  const [installed] = rows;
  if (installed?.mode !== mode) {
    throw new AppError(
      'configuration-invalid',
      `EVERGRANT_MODE: this database belongs to an installation in mode ${installed?.mode}, this process is in mode ${mode}`,
    );
  }
  if (!kekFingerprints.includes(installed.kek_fingerprint)) {
    throw new AppError(
      'configuration-invalid',
      'EVERGRANT_KEKS: the key that this database was set up with is not among the ones given',
      { details: { expected: installed.kek_fingerprint, given: kekFingerprints } },
    );
  }
}
