/**
 * Keeps one valid access token. Asks Evergrant well before the token ends and, in between, whether it still counts; goes
 * on with the one it has while Evergrant is away, to its end and no further; lets go of it at once when Evergrant says
 * that the connection has ended, and goes on asking, as the customer may connect again.
 */
import type { AccessToken } from '../partner-service/api-types.ts';
import type { EvergrantClient } from '../partner-service/evergrant-client.ts';
import { EvergrantError } from '../partner-service/evergrant-error.ts';
import type { Log } from './log.ts';
import type { KeptToken, TokenFile } from './token-file.ts';
import { describeTrouble, isEnded, type Trouble } from './trouble.ts';

export interface Keeper {
  /** Null when there is none that works; then there is a trouble. */
  token(): KeptToken | null;
  trouble(): Trouble | null;
  /** The ERP says that SAP Concur refused this version; without one, the present one. False: it is replaced already. */
  reject(version?: number, status?: number): boolean;
  /** A new token although this one works. */
  refresh(): void;
  /** Until the signal. */
  run(): Promise<void>;
}

interface Wish {
  readonly kind: 'replace' | 'refresh';
  readonly version: number;
  readonly status: number | undefined;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** The same trouble is told again after this. */
const REMIND_MS = 10 * 60_000;
/** However often the ERP tries a token that was refused. */
const REPORT_EVERY_MS = 60_000;

export function createKeeper(deps: {
  readonly app: string;
  readonly principal: string;
  readonly evergrant: Pick<EvergrantClient, 'readToken' | 'replaceRejected' | 'refresh'>;
  readonly file: TokenFile | null;
  readonly log: Log;
  readonly checkEveryMs: number;
  readonly aheadMs: number;
  readonly signal: AbortSignal;
}): Keeper {
  const { app, principal, evergrant, file, log, signal } = deps;
  let kept: KeptToken | null = null;
  let trouble: Trouble | null = null;
  let toldAtMs = 0;
  let failures = 0;
  let isWritten = true;
  let wish: Wish | null = null;
  let lastReport: { readonly version: number; readonly atMs: number } | null = null;
  let isWanted = false;
  let wake = (): void => undefined;

  const leftMs = (): number => (kept === null ? 0 : Date.parse(kept.expires_at) - Date.now());

  async function restore(): Promise<number> {
    const found = (await file?.read()) ?? null;
    const isOurs = found?.app === app && found.principal === principal;
    if (found === null || !isOurs || Date.parse(found.expires_at) <= Date.now()) {
      await file?.remove();
      return 0;
    }
    kept = found;
    log.info('goes on with the token in the file', { version: found.version, expires_at: found.expires_at });
    return Math.max(0, Math.min(deps.checkEveryMs, leftMs() - deps.aheadMs));
  }

  async function ask(): Promise<AccessToken> {
    const asked = wish;
    if (asked?.kind === 'replace') {
      const newer = await evergrant.replaceRejected(principal, asked.version, asked.status);
      if (newer === null) {
        log.warn('there is no newer token: SAP Concur may refuse what was asked for, not the token', {
          version: asked.version,
        });
      }
      if (wish === asked) wish = null;
      if (newer !== null) return newer;
    }
    if (asked?.kind === 'refresh') {
      await evergrant.refresh(principal);
      if (wish === asked) wish = null;
    }
    const isDue = kept !== null && leftMs() <= deps.aheadMs;
    return await evergrant.readToken(principal, isDue ? { minTtlSeconds: Math.floor(deps.aheadMs / 1_000) } : {});
  }

  /** How long to wait for the next round, in milliseconds. */
  async function round(): Promise<number> {
    const sentAtMs = Date.now();
    try {
      const { access_token, token_type, expires_in, geolocation, version } = await ask();
      // Counted by this machine's clock, as the ERP will count.
      const expires_at = new Date(sentAtMs + expires_in * 1_000).toISOString();
      const isNew = kept?.version !== version;
      if (isNew) kept = { app, principal, access_token, token_type, expires_at, geolocation, version };
      if (isNew || !isWritten) await write();
      if (isNew || trouble !== null) log.info('has a valid token', { version, expires_at, geolocation });
      trouble = null;
      failures = 0;
      // A token may live shorter than the time ahead.
      return Math.max(
        FIRST_PAUSE_MS,
        Math.min(deps.checkEveryMs, Math.max(leftMs() - deps.aheadMs, (leftMs() * 2) / 3)),
      );
    } catch (error) {
      if (signal.aborted) return 0;
      failures += 1;
      await settle(describeTrouble(error));
      if (isEnded(trouble)) return deps.checkEveryMs;
      const growing = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10), LONGEST_PAUSE_MS);
      const asked = error instanceof EvergrantError ? (error.retryAfterMs ?? 0) : 0;
      return Math.max(asked, growing) + Math.random() * growing;
    }
  }

  async function settle(next: Trouble): Promise<void> {
    const isNews = trouble?.code !== next.code || Date.now() - toldAtMs > REMIND_MS;
    trouble = next;
    if (isEnded(next)) {
      wish = null;
      await letGo();
    }
    if (!isNews) return;
    toldAtMs = Date.now();
    const meanwhile = kept === null ? 'no token is at hand' : `the present token serves until ${kept.expires_at}`;
    const say = next.isForPeople ? log.error : log.warn;
    say(`${next.message} Meanwhile ${meanwhile}.`, {
      code: next.code,
      ...(next.requestId === null ? {} : { request_id: next.requestId }),
      ...(next.listingUrl === null ? {} : { listing_url: next.listingUrl }),
    });
  }

  async function write(): Promise<void> {
    isWritten = false;
    if (kept !== null) await file?.write(kept);
    isWritten = true;
  }

  async function letGo(): Promise<void> {
    kept = null;
    await file?.remove();
  }

  async function dropExpired(): Promise<void> {
    if (kept === null || leftMs() > 0) return;
    log.error('the token has expired and could not be replaced: no token is at hand', { version: kept.version });
    await letGo();
  }

  async function pause(ms: number): Promise<void> {
    if (ms <= 0 || signal.aborted || isWanted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(end, ms);
      wake = end;
      signal.addEventListener('abort', end, { once: true });
      function end(): void {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      }
    });
  }

  function want(next: Wish): void {
    wish = next;
    isWanted = true;
    wake();
  }

  return {
    // What has expired a moment ago is not handed out, even if nobody has dropped it yet.
    token: () => (leftMs() > 0 ? kept : null),
    trouble: () => trouble,
    reject(version, status) {
      if (kept === null || (version ?? kept.version) !== kept.version) return false;
      const { version: refused } = kept;
      if (lastReport?.version === refused && Date.now() - lastReport.atMs < REPORT_EVERY_MS) return true;
      lastReport = { version: refused, atMs: Date.now() };
      log.warn('the ERP says that SAP Concur refused the token', { version: refused, status: status ?? null });
      want({ kind: 'replace', version: refused, status });
      return true;
    },
    refresh() {
      want({ kind: 'refresh', version: kept?.version ?? 0, status: undefined });
    },
    async run() {
      let nextAtMs = Date.now() + (await restore());
      while (!signal.aborted) {
        const isBeforeEnd = kept !== null && leftMs() < nextAtMs - Date.now();
        await pause(isBeforeEnd ? leftMs() : nextAtMs - Date.now());
        if (signal.aborted) break;
        await dropExpired();
        if (!isWanted && Date.now() < nextAtMs) continue;
        isWanted = false;
        nextAtMs = Date.now() + (await round());
      }
    },
  };
}
