import type { IssuedSecret, SecretKind } from './types.ts';

/** Every secret that was given out, oldest first; the oldest are forgotten when there are more than `limit`. */
export class SecretLedger {
  readonly #limit: number;
  #secrets: IssuedSecret[] = [];
  #complete = true;

  constructor(limit: number) {
    this.#limit = limit;
  }

  record(kind: SecretKind, value: string, issuedAtMs: number): void {
    this.#secrets.push({ kind, value, issuedAtMs });
    // Dropped in bulk, so that a long run does not move the whole array for each secret.
    if (this.#secrets.length > this.#limit * 1.1) {
      this.#secrets = this.#secrets.slice(-this.#limit);
      this.#complete = false;
    }
  }

  all(): readonly IssuedSecret[] {
    return [...this.#secrets];
  }

  /** False once something has been forgotten. */
  get complete(): boolean {
    return this.#complete;
  }
}
