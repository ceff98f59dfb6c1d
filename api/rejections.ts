/**
 * Reports of rejected tokens on their way to the workflow. One that cannot be delivered is kept and sent again for a
 * while: Temporal may be away, and the partner has done its part. At most one per connection waits.
 */
import type { ConnectionKey } from '../core/connection.ts';
import type { Clock, Log } from '../core/ports.ts';

export interface Rejection {
  readonly version: number;
  readonly status?: number;
  readonly actor: string;
  /** Of the request that reported it. */
  readonly correlationId?: string;
}

export interface RejectionsDeps {
  readonly send: (key: ConnectionKey, rejection: Rejection) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

/** More connections than this with an undelivered report: the oldest is forgotten. Their tokens will be rejected again. */
const MOST_WAITING = 10_000;
const RETRY_EVERY_MS = 5_000;

export function createRejections({ send, clock, log }: RejectionsDeps) {
  const waiting = new Map<string, { readonly key: ConnectionKey; readonly rejection: Rejection }>();
  const stop = new AbortController();
  let isRetrying = false;

  async function retry(): Promise<void> {
    if (isRetrying) return;
    isRetrying = true;
    try {
      while (waiting.size > 0 && !stop.signal.aborted) {
        await clock.sleep(RETRY_EVERY_MS, stop.signal).catch(() => undefined);
        if (!(await deliverAll())) log.warn({ waiting: waiting.size }, 'reports of rejected tokens wait for Temporal');
      }
    } finally {
      isRetrying = false;
    }
  }

  /** False as soon as one cannot be delivered: the next would fare no better. */
  async function deliverAll(): Promise<boolean> {
    for (const [id, { key, rejection }] of waiting) {
      try {
        await send(key, rejection);
        // A newer one may have taken its place meanwhile.
        if (waiting.get(id)?.rejection === rejection) waiting.delete(id);
      } catch {
        return false;
      }
    }
    return true;
  }

  return {
    async report(key: ConnectionKey, rejection: Rejection): Promise<void> {
      try {
        await send(key, rejection);
      } catch (error) {
        log.warn({ err: error, app: key.app }, 'a report of a rejected token is kept');
        waiting.set(`${key.app}:${key.principal}`, { key, rejection });
        const oldest = waiting.keys().next();
        if (waiting.size > MOST_WAITING && !oldest.done) waiting.delete(oldest.value);
        void retry();
      }
    },
    close: () => stop.abort(),
  };
}
