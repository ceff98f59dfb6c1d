/** What the guardian of an app does: look at what is on file, probe, tell the connections that wait. */
import type { Asked, AppWatch, ProbeResult, RestoreOrder } from '../core/app-guardian.ts';
import { APP_GUARDIAN, isBlocking } from '../core/app-trouble.ts';
import { isBrakeOn } from '../core/brake.ts';
import { judge } from '../core/concur-codes.ts';
import type { ConnectionKey } from '../core/connection.ts';
import { AppError, isAppError } from '../core/errors.ts';
import { horizonMs, spread } from '../core/refresh-policy.ts';
import type { GuardDeps } from './deps.ts';
import { isProof, tryCredentials } from './try-credentials.ts';

export interface GuardInput {
  readonly app: string;
}

export interface ProbeInput extends GuardInput {
  readonly dataCentre: string;
}

export type RestoreInput = GuardInput & RestoreOrder;
export type ReleaseInput = GuardInput & Asked;

const PAGE = 100;

export function createGuardActivities(deps: GuardDeps) {
  const { apps, brakes, clock, concur, log, policy, progress, signals, troubles } = deps;

  /** What is on file about the app. */
  async function lookAfterApp({ app }: GuardInput): Promise<AppWatch> {
    const [found, stopped, waiting] = await Promise.all([
      troubles.many(app),
      brakes.many(app),
      troubles.countWaiting(app),
    ]);
    const on = stopped.filter(isBrakeOn).map(({ dataCentre }) => dataCentre);
    const { appProbeEveryMs: probeEveryMs } = policy;
    return { atMs: clock.now(), probeEveryMs, troubles: found.filter(isBlocking), brakes: on, waiting };
  }

  /** Asks for an application token with every secret on file; the trouble is over when one is taken. */
  async function probeApp({ app, dataCentre }: ProbeInput): Promise<ProbeResult> {
    const begunAt = clock.monotonic();
    // A secret that was added a moment ago is what this is about.
    const { credentials } = await apps.one(app, { fresh: true });
    if (credentials.length === 0) return { proven: false, reason: 'client-secret-missing', concurCode: null };
    const grant = 'client-credentials';
    const tried = await tryCredentials(deps, { app, grant, credentials, canary: null, begunAt }, (one) =>
      concur.proveCredentials({ credentials: one, dataCentre }, { horizonMs: horizonMs(policy) }),
    );
    if (tried === null) return { proven: false, reason: 'frozen-before-sending', concurCode: null };
    const { result } = tried;
    const { correlationId } = result;
    if (isProof(grant, result)) {
      await troubles.clear(app, dataCentre);
      log.info({ app, dataCentre, correlationId }, "SAP Concur takes the app's credentials again");
      return { proven: true };
    }
    const verdict = result.ok ? null : judge(grant, result.failure);
    const reason = verdict?.reason ?? 'answer-unknown';
    log.error({ app, dataCentre, reason, correlationId }, "SAP Concur still refuses the app's credentials");
    return { proven: false, reason, concurCode: verdict?.concurCode ?? null };
  }

  /** Tells the connections that wait to go on, no faster than calls may be made; how many in this try. */
  function restoreConnections({ app, dataCentre, waitsFor, sinceByMs }: RestoreInput): Promise<number> {
    return progress.whileBeating(async ({ notedBefore, note, signal }) => {
      const paced = createPace(deps);
      let cursor = notedBefore;
      let told = 0;
      for (;;) {
        const page = await troubles.manyWaiting({
          ...{ app, dataCentre, waitsFor, sinceByMs, limit: PAGE },
          ...(cursor !== null && { cursor }),
        });
        for (const key of page.items) {
          await paced(key);
          if (await tell(key, waitsFor)) told += 1;
        }
        cursor = page.nextCursor;
        if (cursor === null) break;
        note(cursor);
        // A worker that shuts down leaves the rest to the next try; trouble that is back, to the next end of it.
        if (signal.aborted)
          throw new AppError('temporal-unavailable', 'The worker shuts down; the next try goes on here.');
        if (waitsFor === 'credentials' && (await isBlocked(app, dataCentre))) break;
      }
      log.info({ app, dataCentre, waitsFor, told }, 'connections that waited were told to go on');
      return told;
    });
  }

  async function tell(key: ConnectionKey, waitsFor: RestoreOrder['waitsFor']): Promise<boolean> {
    const reason = waitsFor === 'brake' ? 'the brake was released' : "the app's credentials work again";
    try {
      await signals.appRestored(key, { actor: APP_GUARDIAN, reason });
      return true;
    } catch (error) {
      if (isAppError(error, 'temporal-unavailable')) throw error;
      log.error({ err: error, ...key }, 'a connection could not be told to go on');
      return false;
    }
  }

  async function isBlocked(app: string, dataCentre: string): Promise<boolean> {
    const found = await troubles.many(app);
    return found.some((trouble) => trouble.dataCentre === dataCentre && isBlocking(trouble));
  }

  /** Takes the brake off, wherever it is on. */
  async function releaseBrake({ app, actor, reason }: ReleaseInput): Promise<readonly string[]> {
    const released = await brakes.release(app, clock.now(), { actor, reason, correlationId: null });
    if (released.length > 0) log.warn({ app, dataCentres: released, actor, reason }, 'the brake was released');
    return released;
  }

  return { lookAfterApp, probeApp, restoreConnections, releaseBrake };
}

/** Resolves when the next connection's turn has come: at the cap's pace, no two gaps alike. */
function createPace({ clock, ratePerDataCentre }: GuardDeps): (key: ConnectionKey) => Promise<void> {
  let nextAtMs = clock.monotonic();
  return async ({ principal }) => {
    const nowMs = clock.monotonic();
    const waitMs = Math.max(0, nextAtMs - nowMs);
    nextAtMs = nowMs + waitMs + (1_000 / ratePerDataCentre) * (0.5 + spread(principal));
    if (waitMs > 0) await clock.sleep(waitMs);
  };
}
