/**
 * The data centres' signing keys, fetched when they are first needed and kept for an hour. A key that is not
 * among them leads to a new look, but not more than one in half a minute: forged key ids make no storm.
 */
import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose';
import type { DataCentre, TokenCallOptions } from '../core/ports.ts';
import { type CallDependencies, call } from './call.ts';
import { buildJwksRequest, processJwksResponse } from './jwks.ts';

const MAX_AGE_MS = 60 * 60 * 1_000;
const COOL_DOWN_MS = 30 * 1_000;

interface KeySet {
  readonly getKey: JWTVerifyGetKey;
  /** Monotonic clock. */
  readonly fetchedAtMs: number;
}

export interface KeySets {
  /** The keys of a data centre, `isNew` when they were fetched for this very call; null when they cannot be had. */
  get(
    dataCentre: DataCentre,
    options: TokenCallOptions,
  ): Promise<{ readonly keySet: KeySet; readonly isNew: boolean } | null>;
  /** Other keys than `than`, for a key id that is not in them; null when they cannot be had or were just looked at. */
  getNewer(dataCentre: DataCentre, than: KeySet, options: TokenCallOptions): Promise<KeySet | null>;
}

export function createKeySets(deps: CallDependencies): KeySets {
  const cached = new Map<string, KeySet>();
  const inFlight = new Map<string, Promise<KeySet | null>>();

  const fetchKeys = async (dataCentre: DataCentre, options: TokenCallOptions): Promise<KeySet | null> => {
    const request = buildJwksRequest(dataCentre);
    const result = await call(deps, { endpoint: 'jwks', dataCentre, request, process: processJwksResponse }, options);
    if (!result.ok) return null;
    const keySet = { getKey: createLocalJWKSet(result.value), fetchedAtMs: deps.clock.monotonic() };
    cached.set(dataCentre.name, keySet);
    return keySet;
  };
  /** All who need the same keys at the same time share one call. */
  const fetchOnce = (dataCentre: DataCentre, options: TokenCallOptions): Promise<KeySet | null> => {
    const running = inFlight.get(dataCentre.name);
    if (running !== undefined) return running;
    const started = fetchKeys(dataCentre, options).finally(() => inFlight.delete(dataCentre.name));
    inFlight.set(dataCentre.name, started);
    return started;
  };
  const ageMs = (keySet: KeySet) => deps.clock.monotonic() - keySet.fetchedAtMs;

  return {
    async get(dataCentre, options) {
      const known = cached.get(dataCentre.name);
      if (known !== undefined && ageMs(known) < MAX_AGE_MS) return { keySet: known, isNew: false };
      const keySet = await fetchOnce(dataCentre, options);
      return keySet === null ? null : { keySet, isNew: true };
    },
    async getNewer(dataCentre, than, options) {
      const known = cached.get(dataCentre.name);
      if (known !== undefined && known !== than) return known;
      return ageMs(than) < COOL_DOWN_MS ? null : await fetchOnce(dataCentre, options);
    },
  };
}
