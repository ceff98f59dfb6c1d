/**
 * Access tokens for partner services: from memory, from the database, or after a refresh. Fresh enough means no call
 * to Temporal at all; never a token past its expiry less the margin, or after a revoke.
 */
import type { Act } from '../core/audit-entry.ts';
import { AppError, isAppError } from '../core/errors.ts';
import type { ConnectionKey } from '../core/connection.ts';
import { formatTime } from '../core/connection-resource.ts';
import type { Clock, Vault } from '../core/ports.ts';
import { isFresh, LEAST_INTERVAL_MS, type RefreshPolicy } from '../core/refresh-policy.ts';
import { Secret } from '../core/secret.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import type { ConnectionStore, TokenHolder } from '../core/stores.ts';
import type { CommandResult } from '../workflows/contract.ts';
import { problemOfState } from './connection-problems.ts';
import type { AppDirectory, LifecycleGateway, TokenReader } from './deps.ts';
import type { ReadRecorder } from './read-recorder.ts';
import type { TokenResource } from './schemas/resources.ts';
import type { CachedToken, Fill, TokenBody, TokenCache } from './token-cache.ts';

/** A reader of a stale token waits so long for its refresh. */
const MOST_WAIT_MS = 19_500;
/** A database that says nothing for so long is taken for away, if memory can serve. */
const DATABASE_PATIENCE_MS = 2_000;

export type TokenSource = 'memory' | 'database' | 'refresh';

export interface TokenReaderDeps {
  readonly clock: Clock;
  readonly vault: Vault;
  readonly policy: RefreshPolicy;
  readonly connections: Pick<ConnectionStore, 'maybeAccessToken'>;
  readonly apps: AppDirectory;
  readonly lifecycle: Pick<LifecycleGateway, 'ensureFresh' | 'refresh'>;
  readonly cache: TokenCache;
  readonly reads: ReadRecorder;
  readonly count: (app: string, source: TokenSource) => void;
}

interface Found {
  readonly connection: TokenHolder;
  /** Null: none on file, or not to be handed out. */
  readonly token: CachedToken | null;
}

interface Reading {
  readonly fill: Fill;
  readonly found: Promise<Found>;
}

export function createTokenReader(deps: TokenReaderDeps): TokenReader {
  const { clock, vault, policy, connections, cache } = deps;
  const readings = new Map<string, Reading>();
  const refreshing = new Map<string, Promise<CommandResult | null>>();

  /** One read of the database at a time per connection; nobody joins one that a notice has overtaken. */
  function find(key: ConnectionKey): Promise<Found> {
    const id = idOf(key);
    const running = readings.get(id);
    if (running !== undefined && !running.fill.isOvertaken()) return running.found;
    const fill = cache.beginFill(key);
    const reading: Reading = {
      fill,
      found: readRow(key, fill).finally(() => {
        if (readings.get(id) === reading) readings.delete(id);
      }),
    };
    readings.set(id, reading);
    return reading.found;
  }

  async function readRow(key: ConnectionKey, fill: Fill): Promise<Found> {
    let opened: CachedToken | null = null;
    try {
      const stored = await connections.maybeAccessToken(key);
      if (stored === null) throw new AppError('not-found', 'There is no such connection.');
      const { connection, token } = stored;
      if (token === null || !handsOut(connection)) return { connection, token: null };
      const accessToken = await vault.open(token.sealed, sealContexts.accessToken(connection.id, token.attemptId));
      opened = { body: buildBody(accessToken, token.tokenType, connection), connection };
      return { connection, token: opened };
    } finally {
      fill.end(opened, clock.now());
    }
  }

  /** The row, or what memory knows of it while the database is away or does not answer in time. */
  async function findOrLastKnown(key: ConnectionKey, minTtlMs: number): Promise<{ found: Found; source: TokenSource }> {
    const known = cache.lastKnown(key, clock.now());
    const isOfUse = known !== null && isFresh(policy, known.connection, clock.now(), minTtlMs);
    const reading = find(key).then((found) => ({ found, source: 'database' as const }));
    if (known === null || !isOfUse) return await reading;
    const fromMemory = { found: { connection: known.connection, token: known }, source: 'memory' as const };
    const patience = new AbortController();
    const silence = clock.sleep(DATABASE_PATIENCE_MS, patience.signal).then(
      () => fromMemory,
      () => fromMemory,
    );
    try {
      return await Promise.race([reading, silence]);
    } catch (error) {
      if (!isAppError(error, 'database-unavailable')) throw error;
      return fromMemory;
    } finally {
      patience.abort();
      reading.catch(() => undefined);
    }
  }

  /** All readers of one stale version in this process wait for one update. */
  function ensureFresh(key: ConnectionKey, version: number, waitMs: number): Promise<CommandResult | null> {
    return shared(`${idOf(key)}:${version}`, () => deps.lifecycle.ensureFresh(key, version, waitMs));
  }

  /**
   * A workflow that knows a newer version than the row has remembers what a restore of the database took away. It would
   * take this reader for a late one until its own next deadline, so it is told to refresh.
   */
  function catchUp(key: ConnectionKey): Promise<CommandResult | null> {
    const reason = 'the row is older than the workflow';
    return shared(`${idOf(key)}:behind`, () => deps.lifecycle.refresh(key, { actor: 'api', reason }));
  }

  function shared(id: string, ask: () => Promise<CommandResult | null>): Promise<CommandResult | null> {
    const running = refreshing.get(id);
    if (running !== undefined) return running;
    const asked = ask().finally(() => refreshing.delete(id));
    refreshing.set(id, asked);
    return asked;
  }

  function answer(key: ConnectionKey, token: CachedToken, source: TokenSource, reader: Act): string {
    const nowMs = clock.now();
    const { connection, body } = token;
    deps.reads.note(key, connection.version, reader, nowMs);
    deps.count(key.app, source);
    const expiresAtMs = connection.accessTokenExpiresAtMs ?? nowMs;
    const secondsLeft = Math.max(0, Math.floor((expiresAtMs - nowMs) / 1_000));
    return `${body.before.reveal()}${secondsLeft}${body.after}`;
  }

  function maybeFromMemory(key: ConnectionKey, minTtlMs: number, reader: Act): string | null {
    const nowMs = clock.now();
    const remembered = cache.trusted(key, nowMs);
    if (remembered === null || !isFresh(policy, remembered.connection, nowMs, minTtlMs)) return null;
    return answer(key, remembered, 'memory', reader);
  }

  async function refuse(connection: TokenHolder): Promise<never> {
    const app = await deps.apps.maybeOne(connection.app);
    throw problemOfState(connection, app?.landing.listingUrl ?? null, clock.now());
  }

  /** Whether a refresh could bring the caller anything that is not there. */
  function isGoodEnough(connection: TokenHolder, minTtlMs: number): boolean {
    const nowMs = clock.now();
    if (isFresh(policy, connection, nowMs, minTtlMs)) return true;
    // Who asks for a long life gets it from a refresh; where none can be had now, or the token was made a moment ago
    // and lives no longer, fresh is good enough.
    const isNew = nowMs - (connection.accessTokenSentAtMs ?? 0) < LEAST_INTERVAL_MS;
    return (connection.state !== 'active' || isNew) && isFresh(policy, connection, nowMs);
  }

  return {
    maybeFromMemory,
    async read(key, minTtlMs, reader) {
      const remembered = maybeFromMemory(key, minTtlMs, reader);
      if (remembered !== null) return remembered;
      const deadlineMs = clock.monotonic() + MOST_WAIT_MS;
      let { found, source } = await findOrLastKnown(key, minTtlMs);
      let knownVersion = 0;
      // A second round only for a run that ended, or was continued as new, under the first, or knows too much.
      for (let round = 1; round <= 2; round += 1) {
        const { connection, token } = found;
        if (token !== null && isGoodEnough(connection, minTtlMs)) return answer(key, token, source, reader);
        const waitMs = deadlineMs - clock.monotonic();
        if (connection.state !== 'active' || waitMs <= 0) break;
        try {
          const isBehind = knownVersion > connection.version;
          const answered = isBehind ? await catchUp(key) : await ensureFresh(key, connection.version, waitMs);
          knownVersion = answered?.version ?? 0;
        } catch (error) {
          // Shorter than asked for is better than nothing while Temporal is away.
          if (token === null || !isFresh(policy, connection, clock.now())) throw error;
          return answer(key, token, source, reader);
        }
        found = await find(key);
        // A reading that somebody else had begun may be older than the answer.
        if (knownVersion > found.connection.version) found = await find(key);
        source = 'refresh';
        // After a refresh there is what there is.
        if (found.token !== null && isFresh(policy, found.connection, clock.now()))
          return answer(key, found.token, source, reader);
      }
      return await refuse(found.connection);
    },
  };
}

/** {@link TokenResource} in JSON, cut where the seconds left stand: all else is the same for every reader of a version. */
function buildBody(accessToken: Secret, tokenType: TokenResource['token_type'], connection: TokenHolder): TokenBody {
  const { accessTokenExpiresAtMs, geolocation, scope, version } = connection;
  const before = {
    access_token: accessToken.reveal(),
    token_type: tokenType,
    expires_at: formatTime(accessTokenExpiresAtMs ?? 0),
  } satisfies Partial<TokenResource>;
  const after = {
    geolocation: geolocation ?? '',
    scope: scope ?? '',
    version,
  } satisfies Omit<TokenResource, keyof typeof before | 'expires_in'>;
  return {
    before: new Secret(`${JSON.stringify(before).slice(0, -1)},"expires_in":`),
    after: `,${JSON.stringify(after).slice(1)}`,
  };
}

function idOf({ app, principal }: ConnectionKey): string {
  return `${app}:${principal}`;
}

/** Whether readers in this state get a token at all, if it is fresh. */
function handsOut({ state }: TokenHolder): boolean {
  return state === 'active' || state === 'retrying' || state === 'suspended' || state === 'blocked';
}
