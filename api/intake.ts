/** Connects that come without a landing page: from a partner service, or from the command line. */
import type { Connection, ConnectionKey } from '../core/connection.ts';
import { AppError, type ErrorCode, errorTable, isAppError } from '../core/errors.ts';
import { acceptIntake } from '../core/intake.ts';
import { dataCentreOf, type IntakeKind } from '../core/intake-kind.ts';
import type { Clock, Rng, Vault } from '../core/ports.ts';
import type { RefreshPolicy } from '../core/refresh-policy.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import type { ConnectionStore, IntakeStore } from '../core/stores.ts';
import type { UnidentifiedConnect } from '../core/unidentified.ts';
import { connectionWorkflowId, HANDLER_WAIT_MS } from '../workflows/contract.ts';
import type { LifecycleGateway } from './deps.ts';
import type { Intake, IntakeRequest, IntakeResult } from './intake-port.ts';

interface IntakeDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly vault: Vault;
  readonly policy: RefreshPolicy;
  readonly requestTokenTtlMs: number;
  readonly connections: Pick<ConnectionStore, 'transact' | 'maybeOne'>;
  readonly intakes: IntakeStore;
  readonly lifecycle: Pick<LifecycleGateway, 'connect' | 'connectUnidentified'>;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Nothing is kept of a password: not even sealed for longer than a few tries take. */
const PASSWORD_LIFE_MS = 10 * MINUTE_MS;

export function createIntake(deps: IntakeDeps): Intake {
  const { clock, rng, vault, policy, connections, intakes, lifecycle } = deps;

  function lifeMsOf(kind: IntakeKind): number {
    if (kind === 'password') return PASSWORD_LIFE_MS;
    return kind === 'request-token' ? deps.requestTokenTtlMs : DAY_MS;
  }

  /** On file from here on: whatever happens to this process, it will be tried. */
  async function accept(request: IntakeRequest, sessionId: string): Promise<void> {
    const { app, kind, principal, dataCentre, customerRef, replace, actor, correlationId = null } = request;
    const nowMs = clock.now();
    const credential = await vault.seal(request.credential, sealContexts.requestToken(sessionId));
    const session = { id: sessionId, kind, dataCentre, customerRef, expiresAtMs: nowMs + lifeMsOf(kind) };
    if (principal === null) {
      const connect = { ...newConnect, ...session, app: app.app, actor, credential, nextTryAtMs: nowMs };
      return await intakes.open(connect, { actor, reason: null, correlationId });
    }
    const key = { app: app.app, principal };
    const intake = {
      key,
      actor,
      correlationId,
      replace,
      session: { ...session, requestToken: credential },
      newConnectionId: rng.uuid(),
      principalType: app.principal,
      nowMs,
      policy,
      workflowId: connectionWorkflowId(key),
    };
    await connections.transact(key, (aggregate) => acceptIntake(aggregate, intake), { sessionId });
  }

  /** Waits for as long as a caller does, however many workflows it takes. */
  async function pursue(row: UnidentifiedConnect): Promise<void> {
    const done = new AbortController();
    const patience = clock.sleep(HANDLER_WAIT_MS, done.signal);
    try {
      // What comes later is for nobody: the row tells of it.
      await Promise.race([follow(row), patience]);
    } finally {
      patience.catch(() => undefined);
      done.abort();
    }
  }

  /** Without Temporal it goes on when that is back. */
  async function follow(row: UnidentifiedConnect): Promise<void> {
    try {
      const principal = row.principal ?? (await lifecycle.connectUnidentified(row.app, row.id, dataCentreOf(row)));
      if (principal !== null) await lifecycle.connect({ app: row.app, principal }, row.id);
    } catch (error) {
      if (!isAppError(error, 'temporal-unavailable')) throw error;
    }
  }

  async function resultOf({ app, principal, id, status, failure }: UnidentifiedConnect): Promise<IntakeResult> {
    if (status === 'failed') return { outcome: 'failed', code: codeOf(failure) };
    if (status === 'completed' || principal === null) return { outcome: 'pending', principal, sessionId: id };
    const connection = await maybeConnection({ app, principal });
    return { outcome: 'connected', principal, isNew: connection?.version === 1 };
  }

  async function maybeConnection(key: ConnectionKey): Promise<Connection | null> {
    return (await connections.maybeOne(key))?.connection ?? null;
  }

  return {
    async connect(request) {
      const sessionId = request.sessionId ?? rng.token(16);
      if ((await intakes.maybeOne(request.app.app, sessionId)) === null) await accept(request, sessionId);
      const row = await intakes.maybeOne(request.app.app, sessionId);
      if (row === null) throw new AppError('internal', 'A connect that was accepted is not on file');
      if (row.status === 'completed') await pursue(row);
      return (await this.look(request.app.app, sessionId)) ?? (await resultOf(row));
    },

    async look(app, sessionId) {
      const row = await intakes.maybeOne(app, sessionId);
      return row === null ? null : await resultOf(row);
    },
  };
}

/** What every connect begins with whose principal is not known. */
const newConnect = {
  principal: null,
  uses: 0,
  status: 'completed',
  failure: null,
  openUntilMs: null,
  answer: null,
  answerSentAtMs: null,
} as const;

function codeOf(failure: string | null): ErrorCode {
  return Object.keys(errorTable).find((code): code is ErrorCode => code === failure) ?? 'connect-failed';
}
