/**
 * What to do when Concur refuses a token: report its version once, however many calls met the refusal, and wait for a
 * newer one. A 403 may also mean that the application lacks a scope, which no new token cures: a version that is refused
 * right after it replaced another is believed, for a while, to be as good as it gets.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AccessToken } from './api-types.ts';
import type { TokenCache } from './token-cache.ts';

export interface Rejections {
  /** A newer token, or null where there is none to be had soon. Throws what the connection came to. */
  replace(principal: string, version: number, status?: number): Promise<AccessToken | null>;
  /** The new token was refused as well. */
  acquit(principal: string, version: number): void;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2_000;
/** The customer may have disconnected since. */
const BELIEVED_MS = 10 * 60_000;

export function createRejections(deps: {
  readonly report: (principal: string, version: number, status: number | undefined) => Promise<void>;
  readonly cache: TokenCache;
  /** How long a newer version is waited for. */
  readonly patienceMs: number;
  readonly signal?: AbortSignal | undefined;
}): Rejections {
  const replacing = new Map<string, Promise<AccessToken | null>>();
  const acquitted = new Map<string, { readonly version: number; readonly untilMs: number }>();

  async function waitForNewer(principal: string, version: number): Promise<AccessToken | null> {
    const deadlineMs = performance.now() + deps.patienceMs;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      const token = await deps.cache.ask(principal);
      if (token.version > version) return token;
      if (performance.now() + pauseMs > deadlineMs) return null;
      await sleep(pauseMs, undefined, { signal: deps.signal });
    }
  }

  async function replace(principal: string, version: number, status: number | undefined): Promise<AccessToken | null> {
    await deps.report(principal, version, status);
    const newer = await waitForNewer(principal, version);
    if (newer !== null) deps.cache.refuse(principal, version);
    else acquit(principal, version);
    return newer;
  }

  function acquit(principal: string, version: number): void {
    acquitted.set(principal, { version, untilMs: performance.now() + BELIEVED_MS });
  }

  return {
    async replace(principal, version, status) {
      const believed = acquitted.get(principal);
      if (believed?.version === version && performance.now() < believed.untilMs) return null;
      const id = `${principal}:${version}`;
      const running = replacing.get(id) ?? replace(principal, version, status).finally(() => replacing.delete(id));
      replacing.set(id, running);
      return await running;
    },
    acquit,
  };
}
