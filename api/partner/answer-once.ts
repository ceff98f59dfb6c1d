/**
 * The same request again, by its `Idempotency-Key`, is done once and gets the first answer. Whoever comes while it is
 * being done waits for that answer; a process that died in the middle of it holds nobody up for longer than its claim.
 */
import { AppError, errorTable, isAppError } from '../../core/errors.ts';
import type { IdempotencyKey, IdempotencyStore, RecordedAnswer } from '../../core/idempotency.ts';
import type { Clock, Log, Rng } from '../../core/ports.ts';

/** A key means something for so long. */
const KEEP_MS = 24 * 60 * 60_000;
/** Longer than an intake takes to settle: after it the process that claimed must have died. */
const CLAIM_MS = 30_000;
/** Who comes second waits so long for the first. */
const WAIT_MS = 20_000;
const POLL_MS = 250;

export interface AnswerOnceDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  readonly idempotency: IdempotencyStore;
}

/**
 * The first answer to this request: on file, or from `act`, which gets the session that every call with this key works on.
 * Problems that trying again may change are not kept. Throws `conflict` for a key that was used for another request, and
 * `connection-pending` when the first call takes longer than this one can wait.
 */
export async function answerOnce(
  deps: AnswerOnceDeps,
  request: IdempotencyKey & { readonly fingerprint: string },
  act: (sessionId: string) => Promise<RecordedAnswer>,
): Promise<RecordedAnswer> {
  const { clock, rng, idempotency } = deps;
  const claimId = rng.uuid();
  const untilMs = clock.monotonic() + WAIT_MS;
  for (;;) {
    const nowMs = clock.now();
    const claim = await idempotency.claim({
      ...request,
      claimId,
      sessionId: rng.uuid(),
      nowMs,
      claimedUntilMs: nowMs + CLAIM_MS,
      expiresAtMs: nowMs + KEEP_MS,
    });
    switch (claim.outcome) {
      case 'claimed':
        return await work(deps, request, claimId, () => act(claim.sessionId));
      case 'answered':
        return claim.answer;
      case 'other-request':
        throw new AppError('conflict', 'This Idempotency-Key was used for another request.');
      case 'running':
        if (clock.monotonic() >= untilMs) {
          const message = 'The first request with this Idempotency-Key is still at work; try again in a moment.';
          throw new AppError('connection-pending', message, { retryAfterMs: 5_000 });
        }
        await clock.sleep(POLL_MS);
    }
  }
}

async function work(
  { idempotency, log }: AnswerOnceDeps,
  key: IdempotencyKey,
  claimId: string,
  act: () => Promise<RecordedAnswer>,
): Promise<RecordedAnswer> {
  // Without this note nothing is lost: the claim runs out, and the session knows what became of it.
  const unnoted = (error: unknown): void => {
    log.warn({ err: error, app: key.app }, 'an idempotency key could not be updated');
  };
  try {
    const answer = await act();
    await idempotency.finish(key, claimId, answer).catch(unnoted);
    return answer;
  } catch (error) {
    if (isAppError(error) && isLasting(error)) {
      const { code, message, details } = error;
      await idempotency.finish(key, claimId, { problem: code, message, details }).catch(unnoted);
    } else {
      await idempotency.release(key, claimId).catch(unnoted);
    }
    throw error;
  }
}

/** The world's state, as the first caller was told it; not what is away for a while, nor a defect. */
function isLasting({ code }: AppError): boolean {
  const { kind, retryable } = errorTable[code];
  return (kind === 'state' || kind === 'caller') && !retryable;
}
