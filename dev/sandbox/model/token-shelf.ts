/** Tokens by value, and by the app and principal that they were issued to. */
interface Shelved {
  readonly value: string;
  readonly clientId: string;
  readonly principalId: string | null;
}

export class TokenShelf<T extends Shelved> {
  readonly #byValue = new Map<string, T>();
  readonly #byGrant = new Map<string, Set<T>>();

  get size(): number {
    return this.#byValue.size;
  }

  add(token: T): void {
    this.#byValue.set(token.value, token);
    const key = grantKey(token.clientId, token.principalId);
    const tokens = this.#byGrant.get(key);
    if (tokens === undefined) this.#byGrant.set(key, new Set([token]));
    else tokens.add(token);
  }

  maybeOne(value: string): T | undefined {
    return this.#byValue.get(value);
  }

  /** Oldest first. */
  manyOf(clientId: string, principalId: string | null): T[] {
    return [...(this.#byGrant.get(grantKey(clientId, principalId)) ?? [])];
  }

  /** Oldest first. */
  all(): T[] {
    return [...this.#byValue.values()];
  }

  remove(token: T): void {
    this.#byValue.delete(token.value);
    const key = grantKey(token.clientId, token.principalId);
    const tokens = this.#byGrant.get(key);
    tokens?.delete(token);
    if (tokens?.size === 0) this.#byGrant.delete(key);
  }
}

function grantKey(clientId: string, principalId: string | null): string {
  return `${clientId}\n${principalId ?? ''}`;
}
