/**
 * A value that must never be seen: tokens, client secrets, codes.
 *
 * It prints as a mask in every form (string, JSON, inspect, template), so that the careless way of
 * handling it is the safe one. `reveal` is called in the vault and where a request to Concur is built, and
 * an architecture test holds it to those places.
 */
const MASK = '[secret]';

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value in clear. Whoever calls this answers for where it goes. */
  reveal(): string {
    return this.#value;
  }

  /** Whether both hold the same value. */
  equals(other: Secret): boolean {
    return this.#value === other.#value;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return MASK;
  }
}
