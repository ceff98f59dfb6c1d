/**
 * A connect whose principal nobody knows before SAP Concur has answered: a user's own login, a code of the flow of
 * before 2017, a migration. Exchanges, finds out whose tokens they are, and hands the answer to that connection.
 * Longer than 300 lines, as it is one story: each step begins where the one before may have been cut short.
 */
import type { Aggregate } from '../core/aggregate.ts';
import { isBlock } from '../core/app-trouble.ts';
import { judge, type Verdict } from '../core/concur-codes.ts';
import type { PrincipalType } from '../core/connection.ts';
import { AppError } from '../core/errors.ts';
import { parseLegacyGrant, parseLogin } from '../core/intake-credential.ts';
import { dataCentreOf, intakeKinds } from '../core/intake-kind.ts';
import type { Carry, UnidentifiedCargo } from '../core/lifeboat.ts';
import type { AppCredentials, ConcurResult, TokenAnswer } from '../core/ports.ts';
import { horizonMs } from '../core/refresh-policy.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import type { Secret } from '../core/secret.ts';
import type { App } from '../core/stores.ts';
import { serializeTokenAnswer } from '../core/token-answer.ts';
import {
  becomeImport,
  beginUnidentified,
  failUnidentified,
  handOver,
  receiveUnidentified,
  refuseUnidentified,
  type UnidentifiedConnect,
} from '../core/unidentified.ts';
import type { ActivityDeps, StoredCredentials, UnidentifiedDeps } from './deps.ts';
import { dispose } from './disposal.ts';
import { keepSaving } from './keep-saving.ts';
import { type Obtained, parseObtained, serializeObtained } from '../core/obtained.ts';
import { type Owner, ownerOf } from './owner.ts';
import { awaitTokenCall } from './token-call.ts';
import { tryCredentials } from './try-credentials.ts';
import { isTooLate, noClientSecret, notSent, unsent } from './unsent.ts';

export interface UnidentifiedInput {
  readonly app: string;
  readonly sessionId: string;
  /** For a user whom SAP Concur gives no UUID. */
  readonly mintedPrincipal: string;
}

/** What kept this step from tokens, for whoever looks after it. */
export interface UnidentifiedTrouble {
  /** Stable word, as `last_error.code` of a connection. */
  readonly code: string;
  readonly concurCode: number | null;
  readonly correlationId: string | null;
}

/** How far it has come. */
export type UnidentifiedStep =
  | { readonly done: true; readonly principal: string | null; readonly trouble?: UnidentifiedTrouble }
  | { readonly done: false; readonly nextTryAtMs: number; readonly trouble?: UnidentifiedTrouble };

/** Pause before the profile is asked again whose tokens these are. */
const ASK_AGAIN_MS = 60_000;

export function createUnidentifiedActivities(deps: ActivityDeps & UnidentifiedDeps) {
  const { clock, concur, connections, connects, dataCentres, intakes, log, observer, policy, rng, vault } = deps;

  /** Goes one step on, and as far as it can. */
  async function exchangeUnidentified(input: UnidentifiedInput, carry: Carry): Promise<UnidentifiedStep> {
    const { app: appName, sessionId, mintedPrincipal } = input;
    vault.assertReady();
    const { app, credentials } = await deps.apps.one(appName);
    const { begun, row } = await intakes.transact(appName, sessionId, (sight) => {
      const decided = beginUnidentified(sight, { nowMs: clock.now(), policy });
      return { ...decided, result: { begun: decided.result, row: decided.after ?? sight.row } };
    });
    switch (begun.decision) {
      case 'settled':
        return { done: true, principal: row.principal };
      case 'wait':
        return { done: false, nextTryAtMs: begun.untilMs };
      case 'app-blocked':
        await deps.guardian.wake(appName, 'blocked');
        return { done: false, nextTryAtMs: begun.untilMs };
      case 'resume': {
        const { answer, sentAtMs } = begun;
        const kept = parseObtained(await vault.open(answer, sealContexts.unidentifiedAnswer(sessionId)));
        return await settle(row, app, kept, { sentAtMs, credentials: credentials[0] ?? null, mintedPrincipal });
      }
      case 'call':
        return await obtain(row, app, credentials, { call: begun.call, mintedPrincipal, carry });
    }
  }

  async function obtain(
    row: UnidentifiedConnect,
    app: App,
    credentials: readonly StoredCredentials[],
    {
      call: number,
      mintedPrincipal,
      carry,
    }: { readonly call: number; readonly mintedPrincipal: string; readonly carry: Carry },
  ): Promise<UnidentifiedStep> {
    const begunAt = clock.monotonic();
    const { grant } = intakeKinds[row.kind];
    const refuse = async (
      verdict: Verdict,
      sent: boolean,
      asked: { readonly dataCentre: string; readonly correlationId: string | null } = {
        dataCentre: dataCentreOf(row),
        correlationId: null,
      },
    ): Promise<UnidentifiedStep> => {
      const { word, after, blocks } = await keepSaving(deps, () =>
        intakes.transact(app.app, row.id, (sight) => {
          const refused = { ...asked, call: number, verdict, sent, nowMs: clock.now(), policy };
          const decided = refuseUnidentified(sight, refused);
          const result = { word: decided.result, after: decided.after ?? sight.row, blocks: isBlock(decided) };
          return { ...decided, result };
        }),
      );
      log.warn(
        { app: app.app, kind: row.kind, verdict, correlationId: asked.correlationId, outcome: word },
        'no tokens for a connect',
      );
      observer.connected({ app: app.app, outcome: verdict.outcome });
      if (blocks) await deps.guardian.wake(app.app, 'tripped');
      const { reason: code, concurCode } = verdict;
      const trouble = { code, concurCode, correlationId: asked.correlationId };
      if (word === 'failed') return { done: true, principal: null, trouble };
      return { done: false, nextTryAtMs: Math.max(after.openUntilMs ?? 0, after.nextTryAtMs), trouble };
    };
    let secret: Secret;
    try {
      secret = await vault.open(row.credential ?? '', sealContexts.requestToken(row.id));
    } catch (error) {
      log.error({ err: error, app: app.app }, 'what was brought to be exchanged does not open');
      return await refuse(unsent('vault-failed'), false);
    }
    if (isTooLate(clock, begunAt)) return await refuse(unsent('frozen-before-sending'), false);
    if (credentials.length === 0) return await refuse(noClientSecret, false);
    let taken: AppCredentials | null = null;
    const call = tryCredentials(deps, { app: app.app, grant, credentials, canary: null, begunAt }, (one) =>
      ask(row, app, one, secret),
    ).then((tried) => {
      taken = tried?.credentials ?? null;
      return tried?.result ?? notSent(dataCentres.byName(dataCentreOf(row)), clock.now());
    });
    const result = await awaitTokenCall(clock, call, policy.concurTimeoutMs, async () => {
      observer.uncertain();
      await refuse(judge(grant, { kind: 'transport', transport: 'timeout', sent: true }), true);
    });
    if (!result.ok) {
      const { failure, correlationId } = result;
      const asked = { dataCentre: result.dataCentre.name, correlationId };
      return await refuse(judge(grant, failure), failure.kind !== 'transport' || failure.sent, asked);
    }
    const answer = await vault.seal(serializeObtained(result.value), sealContexts.unidentifiedAnswer(row.id));
    const { sentAtMs } = result;
    const counts = await keepSaving(
      deps,
      () =>
        intakes.transact(app.app, row.id, (sight) => receiveUnidentified(sight, { answer, sentAtMs, call: number })),
      () => carry({ kind: 'unidentified', attemptId: row.id, answer, sentAtMs, call: number }),
    );
    // What is on file decides: this process may have been frozen while another went on.
    if (!counts) return { done: false, nextTryAtMs: clock.now() };
    return await settle(row, app, result.value, { sentAtMs, credentials: taken, mintedPrincipal });
  }

  function ask(
    row: UnidentifiedConnect,
    app: App,
    credentials: AppCredentials,
    secret: Secret,
  ): Promise<ConcurResult<Obtained>> {
    const dataCentre = dataCentreOf(row);
    const options = { horizonMs: horizonMs(policy) };
    switch (row.kind) {
      case 'password': {
        return concur.exchangePassword({ credentials, dataCentre, ...parseLogin(secret) }, options).then(asTokens);
      }
      case 'legacy-code':
        return concur.exchangeLegacyCode({ credentials, dataCentre, code: secret }, options).then(asTokens);
      case 'legacy-refresh-token': {
        const { principal } = app;
        return concur
          .migrateLegacyToken({ credentials, dataCentre, principal, ...parseLegacyGrant(secret) }, options)
          .then((result) => (result.ok ? { ...result, value: { kind: 'grant', grant: result.value } } : result));
      }
      case 'refresh-token':
        return concur.refreshTokens({ credentials, dataCentre, refreshToken: secret }, options).then(asTokens);
      case 'request-token':
        throw new AppError('internal', 'A request token always comes with the principal that it is for.');
    }
  }

  /** Whose it is, and then to that connection. */
  async function settle(
    row: UnidentifiedConnect,
    app: App,
    obtained: Obtained,
    call: {
      readonly sentAtMs: number;
      readonly credentials: AppCredentials | null;
      readonly mintedPrincipal: string;
    },
  ): Promise<UnidentifiedStep> {
    const dataCentre = dataCentres.byName(dataCentreOf(row));
    const { sentAtMs } = call;
    const owner = await ownerOf(deps, { obtained, dataCentre, clientId: app.clientId, sentAtMs });
    const principal = owner.subject ?? (row.kind === 'legacy-code' ? call.mintedPrincipal : null);
    if (principal === null) {
      // Its first refresh will tell.
      if (obtained.kind === 'grant') return await importGrant(row, obtained.grant.refreshToken, sentAtMs);
      if (owner.mayTellLater) return { done: false, nextTryAtMs: clock.now() + ASK_AGAIN_MS };
      const { refreshToken } = obtained.answer;
      // Of a migrated grant there is no other refresh token: asked anew with it, until its time is over.
      if (row.kind === 'refresh-token' && refreshToken !== null && row.expiresAtMs > clock.now()) {
        return await importGrant(row, refreshToken, sentAtMs);
      }
      return await giveUp(row, app, obtained.answer, call);
    }
    const key = { app: app.app, principal };
    const known = await connections.maybeOne(key);
    const connectionId = known?.connection?.id ?? rng.uuid();
    const attemptId = `${row.id}:answer`;
    const brought =
      obtained.kind === 'tokens'
        ? ({
            kind: 'answer',
            attemptId,
            sentAtMs: call.sentAtMs,
            answer: await vault.seal(
              serializeTokenAnswer(obtained.answer),
              sealContexts.answer(connectionId, attemptId),
            ),
          } as const)
        : ({
            kind: 'refresh-token',
            credential: await vault.seal(obtained.grant.refreshToken, sealContexts.requestToken(row.id)),
          } as const);
    const hand = (aggregate: Aggregate) => {
      // Made meanwhile, by somebody else: what is sealed for another row would never open. The next step does it again.
      if ((aggregate.connection?.id ?? connectionId) !== connectionId) throw new AppError('conflict', 'Made meanwhile');
      return handOver(aggregate, {
        session: row,
        brought,
        key,
        actor: row.actor,
        // The request is on record with the connect.
        correlationId: row.id,
        newConnectionId: connectionId,
        principalType: principalTypeOf(row, owner, app),
        nowMs: clock.now(),
        policy,
        workflowId: deps.workflowId(key),
      });
    };
    const handed = await keepSaving(deps, () => connections.transact(key, hand, { sessionId: row.id }));
    // Somebody else has brought it to an end, and perhaps to another connection.
    if (handed === null) return { done: false, nextTryAtMs: clock.now() };
    log.info({ ...key, kind: row.kind }, 'a connect has found its connection');
    return { done: true, principal };
  }

  async function importGrant(
    row: UnidentifiedConnect,
    refreshToken: Secret,
    sentAtMs: number,
  ): Promise<UnidentifiedStep> {
    const credential = await vault.seal(refreshToken, sealContexts.requestToken(row.id));
    const nowMs = clock.now();
    await keepSaving(deps, () =>
      intakes.transact(row.app, row.id, (sight) => becomeImport(sight, { credential, sentAtMs, nowMs })),
    );
    return { done: false, nextTryAtMs: nowMs };
  }

  async function giveUp(
    row: UnidentifiedConnect,
    app: App,
    answer: TokenAnswer,
    { sentAtMs, credentials }: { readonly sentAtMs: number; readonly credentials: AppCredentials | null },
  ): Promise<UnidentifiedStep> {
    const dataCentre = dataCentreOf(row);
    const isRevocable = intakeKinds[row.kind].isRevocable;
    const disposal = isRevocable
      ? await dispose(deps, { app: app.app, subject: null, answer, dataCentre, credentials })
      : 'discarded';
    log.error({ app: app.app, kind: row.kind, disposal }, 'nobody could tell whose tokens these are');
    const ending = { reason: 'identity-unknown', concurCode: null, correlationId: null, disposal };
    await keepSaving(deps, () =>
      intakes.transact(app.app, row.id, (sight) => failUnidentified(sight, { sentAtMs, ending })),
    );
    observer.connected({ app: app.app, outcome: ending.reason });
    // Whatever is on file by now.
    return { done: false, nextTryAtMs: clock.now() };
  }

  /** Puts an answer on file that a lost call left in the lifeboat. */
  async function saveUnidentified(input: { readonly app: string; readonly cargo: UnidentifiedCargo }): Promise<null> {
    const { app, cargo } = input;
    await intakes.transact(app, cargo.attemptId, (sight) => receiveUnidentified(sight, cargo));
    return null;
  }

  /** Brings the connect to the workflow of its connection. */
  async function introduceConnect(input: {
    readonly app: string;
    readonly principal: string;
    readonly sessionId: string;
  }): Promise<null> {
    await connects.connect({ app: input.app, principal: input.principal }, input.sessionId);
    return null;
  }

  return { exchangeUnidentified, saveUnidentified, introduceConnect };
}

function asTokens(result: ConcurResult<TokenAnswer>): ConcurResult<Obtained> {
  return result.ok ? { ...result, value: { kind: 'tokens', answer: result.value } } : result;
}

function principalTypeOf({ kind }: UnidentifiedConnect, owner: Owner, app: App): PrincipalType {
  return kind === 'legacy-code' ? 'legacy-user' : (owner.principalType ?? app.principal);
}
