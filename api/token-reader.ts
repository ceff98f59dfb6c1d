/**
 * Access tokens for partner services: from memory, from the database, or after a refresh. Fresh enough means no call
 * to Temporal at all; never a token past its expiry less the margin, or after a revoke.
 */
import { AppError, isAppError } from '../core/errors.ts';
import type { Connection, ConnectionKey } from '../core/connection.ts';
import { formatTime } from '../core/connection-resource.ts';
import type { Clock, Vault } from '../core/ports.ts';
import { isFresh, type RefreshPolicy } from '../core/refresh-policy.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import type { ConnectionStore } from '../core/stores.ts';
import { problemOfState } from './connection-problems.ts';
import type { AppDirectory, LifecycleGateway, TokenReader } from './deps.ts';
import type { ReadRecorder } from './read-recorder.ts';
import type { TokenResource } from './schemas/resources.ts';
import type { CachedToken, TokenCache } from './token-cache.ts';

/** A reader of a stale token waits so long for its refresh. */
const MOST_WAIT_MS = 20_000;

export type TokenSource = 'memory' | 'database' | 'refresh';

export interface TokenReaderDeps {
  readonly clock: Clock;
  readonly vault: Vault;
  readonly policy: RefreshPolicy;
  readonly connections: Pick<ConnectionStore, 'maybeAccessToken'>;
  readonly apps: AppDirectory;
  readonly lifecycle: Pick<LifecycleGateway, 'ensureFresh'>;
  readonly cache: TokenCache;
  readonly reads: ReadRecorder;
  readonly count: (app: string, source: TokenSource) => void;
}

interface Found {
  readonly connection: Connection;
  /** Null: none on file, or not to be handed out. */
  readonly token: CachedToken | null;
}

export function createTokenReader(deps: TokenReaderDeps): TokenReader {
  const { clock, vault, policy, connections, cache } = deps;
  const filling = new Map<string, Promise<Found>>();

  /** One read of the database at a time per connection, however many callers. */
  function find(key: ConnectionKey): Promise<Found> {
    const id = `${key.app}:${key.principal}`;
    const running = filling.get(id);
    if (running !== undefined) return running;
    const found = readRow(key).finally(() => filling.delete(id));
    filling.set(id, found);
    return found;
  }

  async function readRow(key: ConnectionKey): Promise<Found> {
    const keep = cache.beginFill(key);
    const stored = await connections.maybeAccessToken(key);
    if (stored === null) throw unknownConnection();
    const { connection, token } = stored;
    if (token === null || !handsOut(connection)) return { connection, token: null };
    const accessToken = await vault.open(token.sealed, sealContexts.accessToken(connection.id, token.attemptId));
    const opened: CachedToken = { accessToken, tokenType: token.tokenType, connection };
    keep(opened, clock.now());
    return { connection, token: opened };
  }

  /** The row, or what memory knows of it while the database is away. */
  async function findOrLastKnown(key: ConnectionKey): Promise<{ found: Found; source: TokenSource }> {
    try {
      return { found: await find(key), source: 'database' };
    } catch (error) {
      const known = isAppError(error, 'database-unavailable') ? cache.lastKnown(key, clock.now()) : null;
      if (known === null) throw error;
      return { found: { connection: known.connection, token: known }, source: 'memory' };
    }
  }

  function answer(key: ConnectionKey, token: CachedToken, source: TokenSource): TokenResource {
    const nowMs = clock.now();
    deps.reads.note(key, nowMs);
    deps.count(key.app, source);
    const { connection } = token;
    const expiresAtMs = connection.accessTokenExpiresAtMs ?? nowMs;
    return {
      access_token: token.accessToken.reveal(),
      token_type: token.tokenType,
      expires_at: formatTime(expiresAtMs),
      expires_in: Math.max(0, Math.floor((expiresAtMs - nowMs) / 1_000)),
      geolocation: connection.geolocation ?? '',
      scope: connection.scope ?? '',
      version: connection.version,
    };
  }

  async function refuse(connection: Connection): Promise<never> {
    const app = await deps.apps.maybeOne(connection.app);
    throw problemOfState(connection, app?.landing.listingUrl ?? null, clock.now());
  }

  return {
    async read(key, minTtlMs) {
      const remembered = cache.trusted(key, clock.now());
      if (remembered !== null && isFresh(policy, remembered.connection, clock.now(), minTtlMs)) {
        return answer(key, remembered, 'memory');
      }
      const deadlineMs = clock.monotonic() + MOST_WAIT_MS;
      const { found, source } = await findOrLastKnown(key);
      const { connection, token } = found;
      // Who asks for a long life gets it from a refresh; where none can be had now, fresh is good enough.
      const wantedMs = connection.state === 'active' ? minTtlMs : 0;
      if (token !== null && isFresh(policy, connection, clock.now(), wantedMs)) return answer(key, token, source);
      if (connection.state !== 'active') return await refuse(connection);

      await deps.lifecycle.ensureFresh(key, connection.version, Math.max(0, deadlineMs - clock.monotonic()));
      const { connection: now, token: refreshed } = await readRow(key);
      // After a refresh there is what there is.
      if (refreshed !== null && isFresh(policy, now, clock.now())) return answer(key, refreshed, 'refresh');
      return await refuse(now);
    },
  };
}

/** Whether readers in this state get a token at all, if it is fresh. */
function handsOut({ state }: Connection): boolean {
  return state === 'active' || state === 'retrying' || state === 'suspended' || state === 'blocked';
}

function unknownConnection(): AppError {
  return new AppError('not-found', 'There is no such connection.');
}
