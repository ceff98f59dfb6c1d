/**
 * Which running process holds which keys. A rotation looks there before it seals anything under a key that a process
 * could not open, and waits there until all of them seal under the new one.
 */

/** A running process that opens and seals. */
export interface KeyHolder {
  /** Of this run of the process. */
  readonly id: string;
  /** For people: what it is, where, and its process id. */
  readonly name: string;
  /** Fingerprints of its key-encryption keys, its current one first. */
  readonly kekFingerprints: readonly string[];
  /** `kid` of the data key under which it seals. */
  readonly currentDataKey: string;
}

export interface KeyHolderStore {
  /** Says that it lives, and with which keys. */
  report(holder: KeyHolder): Promise<void>;
  leave(id: string): Promise<void>;
}
