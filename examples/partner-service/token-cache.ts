/**
 * Access tokens in this process's memory: one answer of Evergrant serves every call until shortly before it expires,
 * and callers who come while it is on its way share it. Nothing is written anywhere.
 */
import type { AccessToken } from './api-types.ts';
import { isPassing } from './evergrant-error.ts';

export interface TokenCache {
  get(principal: string, minTtlSeconds?: number): Promise<AccessToken>;
  /** Past the cache, and into it. */
  ask(principal: string, minTtlSeconds?: number): Promise<AccessToken>;
  /** This version and older ones are not handed out any more. */
  refuse(principal: string, version: number): void;
}

interface Held {
  readonly token: AccessToken;
  /** By this machine's clock, counted from when the request was sent. */
  readonly expiresAtMs: number;
  /** What was left of it when it came. */
  readonly lifeMs: number;
}

/** While Evergrant can't be asked, a token serves to its end but for this: a call takes time too. */
const LAST_MS = 5_000;

export function createTokenCache(deps: {
  readonly read: (principal: string, minTtlSeconds: number | undefined) => Promise<AccessToken>;
  readonly marginMs: number;
}): TokenCache {
  const held = new Map<string, Held>();
  const asking = new Map<string, Promise<AccessToken>>();
  const refused = new Map<string, number>();

  const isRefused = (principal: string, { version }: AccessToken) => version <= (refused.get(principal) ?? -1);

  function isGood({ expiresAtMs, lifeMs }: Held, minTtlSeconds: number): boolean {
    const leastMs = Math.max(Math.min(deps.marginMs, lifeMs / 3), minTtlSeconds * 1_000);
    return expiresAtMs - Date.now() > leastMs;
  }

  async function fill(principal: string, minTtlSeconds: number | undefined): Promise<AccessToken> {
    const sentAtMs = Date.now();
    try {
      const token = await deps.read(principal, minTtlSeconds);
      const lifeMs = token.expires_in * 1_000;
      // An answer that was overtaken by a newer one doesn't take its place.
      const isNewest = (held.get(principal)?.token.version ?? 0) <= token.version;
      if (isNewest && !isRefused(principal, token))
        held.set(principal, { token, expiresAtMs: sentAtMs + lifeMs, lifeMs });
      return token;
    } catch (error) {
      // Paused, revoked, gone: what was handed out before must not be used any longer.
      if (!isPassing(error)) held.delete(principal);
      throw error;
    }
  }

  function ask(principal: string, minTtlSeconds?: number): Promise<AccessToken> {
    const id = `${principal}:${minTtlSeconds ?? ''}:${refused.get(principal) ?? ''}`;
    const running = asking.get(id);
    if (running !== undefined) return running;
    const asked = fill(principal, minTtlSeconds).finally(() => asking.delete(id));
    asking.set(id, asked);
    return asked;
  }

  return {
    async get(principal, minTtlSeconds) {
      const known = held.get(principal);
      if (known !== undefined && isGood(known, minTtlSeconds ?? 0)) return known.token;
      try {
        return await ask(principal, minTtlSeconds);
      } catch (error) {
        if (known === undefined || !isPassing(error) || isRefused(principal, known.token)) throw error;
        if (known.expiresAtMs - Date.now() < Math.max(LAST_MS, (minTtlSeconds ?? 0) * 1_000)) throw error;
        return known.token;
      }
    },
    ask,
    refuse(principal, version) {
      refused.set(principal, Math.max(version, refused.get(principal) ?? -1));
      const known = held.get(principal);
      if (known !== undefined && isRefused(principal, known.token)) held.delete(principal);
    },
  };
}
