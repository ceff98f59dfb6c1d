import type { Rng } from '../../../core/ports.ts';

/** What a page says once, after a command: perhaps with values that are shown in clear this one time. */
export interface Flash {
  readonly text: string;
  readonly bad?: boolean;
  readonly values?: readonly (readonly [name: string, value: string])[];
}

const MOST = 50;

/** Messages on their way over a redirect; an unread one makes room for newer ones. */
export class Flashes {
  readonly #rng: Rng;
  readonly #waiting = new Map<string, Flash>();

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  /** The key to put into the redirect. */
  put(flash: Flash): string {
    const key = this.#rng.token(9);
    this.#waiting.set(key, flash);
    for (const old of [...this.#waiting.keys()].slice(0, -MOST)) this.#waiting.delete(old);
    return key;
  }

  take(key: string | undefined): Flash | undefined {
    if (key === undefined) return undefined;
    const flash = this.#waiting.get(key);
    this.#waiting.delete(key);
    return flash;
  }
}
