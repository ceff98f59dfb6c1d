/**
 * A crowd does not find out a wrong client secret all at once: while it is not known that Concur takes a secret, one call
 * of this process asks, the others wait a moment for what it hears, and after two refusals need not ask any more.
 */
import type { Clock, ConcurResult } from '../core/ports.ts';

/** What an answer says about the secret it was asked with. */
export type Hint = 'taken' | 'refused' | 'nothing';

export interface Canary {
  /**
   * `secret`: names app, data centre and secret. Resolves with the call's own answer (null: it was not made after all), or
   * with the refusal that is known.
   */
  ask<T>(
    secret: string,
    call: () => Promise<ConcurResult<T> | null>,
    hintOf: (result: ConcurResult<T>) => Hint,
  ): Promise<ConcurResult<T> | null>;
}

/** Whoever waits for the answer of another goes on by himself after this. */
const PATIENCE_MS = 2_000;
/** So long a proof, or a second refusal, is believed. */
const TAKEN_FOR_MS = 60_000;
const REFUSED_FOR_MS = 2_000;

type Refusal = Extract<ConcurResult<never>, { ok: false }>;

interface Known {
  takenUntilMs: number;
  refusals: number;
  refused: { readonly untilMs: number; readonly answer: Refusal } | null;
  asking: Promise<unknown> | null;
}

export function createCanary(clock: Pick<Clock, 'monotonic' | 'sleep'>): Canary {
  const byName = new Map<string, Known>();

  function one(secret: string): Known {
    const known = byName.get(secret) ?? { takenUntilMs: 0, refusals: 0, refused: null, asking: null };
    byName.set(secret, known);
    return known;
  }

  async function waitFor(asking: Promise<unknown>, ms: number): Promise<void> {
    const timer = new AbortController();
    const over = clock.sleep(ms, timer.signal).catch(() => undefined);
    await Promise.race([asking, over]).finally(() => timer.abort());
  }

  return {
    async ask(secret, call, hintOf) {
      const known = one(secret);
      const patientUntilMs = clock.monotonic() + PATIENCE_MS;
      for (;;) {
        const nowMs = clock.monotonic();
        if (known.refused !== null && known.refused.untilMs > nowMs) return known.refused.answer;
        if (known.takenUntilMs > nowMs || known.asking === null || patientUntilMs <= nowMs) break;
        await waitFor(known.asking, patientUntilMs - nowMs);
      }
      const asked = call();
      const isFirst = known.asking === null;
      if (isFirst) known.asking = asked.catch(() => undefined);
      try {
        const result = await asked;
        const hint = result === null ? 'nothing' : hintOf(result);
        const nowMs = clock.monotonic();
        if (hint === 'taken') {
          Object.assign(known, { takenUntilMs: nowMs + TAKEN_FOR_MS, refusals: 0, refused: null });
        } else if (hint === 'refused' && result?.ok === false) {
          known.takenUntilMs = 0;
          known.refusals += 1;
          if (known.refusals >= 2) known.refused = { untilMs: nowMs + REFUSED_FOR_MS, answer: result };
        }
        return result;
      } finally {
        if (isFirst) known.asking = null;
      }
    },
  };
}
