/**
 * Keeps a running process in step with rotations: every few seconds it reads the data keys and says which ones it
 * holds. So it seals under a new key soon after there is one, and a rotation knows when that is.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { KeyHolderStore } from '../core/key-holders.ts';
import type { Clock, Log } from '../core/ports.ts';
import type { KeyedVault } from './vault.ts';

/** Far less than the minute after which a silent process counts as gone. */
const EVERY_MS = 5_000;

export interface KeyWatch {
  /** Ends it and takes the process off the list. Never throws. */
  close(): Promise<void>;
}

/** Resolves when the process is on the list. Later failures are logged, once each time they begin. */
export async function createKeyWatch(deps: {
  readonly vault: KeyedVault;
  readonly kekFingerprints: readonly string[];
  readonly holders: KeyHolderStore;
  /** `api`, `worker`: with the machine and the process id it is the name that people see. */
  readonly role: string;
  readonly clock: Clock;
  readonly log: Log;
}): Promise<KeyWatch> {
  const { vault, kekFingerprints, holders, clock, log } = deps;
  const id = randomUUID();
  const name = `${deps.role} on ${hostname()}, process ${process.pid}`;
  const stop = new AbortController();

  const report = () => holders.report({ id, name, kekFingerprints, currentDataKey: vault.currentKid() });
  await report();

  const watch = async (): Promise<void> => {
    let trouble = '';
    const note = (kind: string, fields: object, message: string): void => {
      if (trouble !== kind) log.warn(fields, message);
      trouble = kind;
    };
    while (!stop.signal.aborted) {
      await clock.sleep(EVERY_MS, stop.signal).catch(() => undefined);
      if (stop.signal.aborted) return;
      try {
        const { unreadable } = await vault.learnKeys();
        await report();
        if (unreadable.length === 0) trouble = '';
        else note('unreadable', { kids: unreadable }, 'data keys that EVERGRANT_KEKS of this process does not open');
      } catch (error) {
        note('failed', { err: error }, 'could not look for new data keys');
      }
    }
  };
  const watching = watch();

  return {
    async close() {
      stop.abort();
      await watching;
      await holders.leave(id).catch(() => undefined);
    },
  };
}
