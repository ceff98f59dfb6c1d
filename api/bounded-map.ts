/**
 * A map that forgets, when it is full, an entry that was used longest ago. How long ago is counted in new keys, and known to a
 * quarter of the capacity (to the key where that is less than four): moving an entry at every look cost more than the look.
 */
export class BoundedMap<K, V> {
  readonly #entries = new Map<K, Entry<V>>();
  readonly #capacity: number;
  /** An entry is moved to the end of the line once so many have come after it, not at every look. */
  readonly #patience: number;
  #arrivals = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#patience = Math.floor(capacity / 4);
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (this.#arrivals - entry.placedAt > this.#patience) this.#place(key, entry);
    return entry.value;
  }

  set(key: K, value: V): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) this.#arrivals += 1;
    this.#place(key, entry ?? { value, placedAt: 0 });
    if (entry !== undefined) entry.value = value;
    if (this.#entries.size <= this.#capacity) return;
    const oldest = this.#entries.keys().next();
    if (!oldest.done) this.#entries.delete(oldest.value);
  }

  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  /** A map lists its keys in the order of their insertion: the first one is the next to go. */
  #place(key: K, entry: Entry<V>): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.placedAt = this.#arrivals;
  }
}

interface Entry<V> {
  value: V;
  /** How many keys had come when it went to the end of the line. */
  placedAt: number;
}
