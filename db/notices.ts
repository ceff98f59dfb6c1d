/**
 * The listener behind the token cache: it says when a connection changed, and knows when it can't be trusted.
 *
 * Proof is a round trip: a NOTIFY through the pool that also writes, heard on the listening connection. As
 * PostgreSQL delivers notices in the order of commits, a proof that was heard means that every notice of a
 * transaction committed before it was sent has been heard too; and a listener that hangs on another server than
 * the writers (after a failover, on a half-open socket) never hears one.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { Log } from '../core/ports.ts';
import type { Notice, Notices } from '../core/stores.ts';
import { NOTICE_CHANNEL, parseNotice } from './notice-channel.ts';
import { query } from './query.ts';

export interface NoticesOptions {
  /** Where to listen: the same database as the pool's, but never through a pooler that shares sessions. */
  readonly url: string;
  /** The pool through which the process writes. */
  readonly pool: pg.Pool;
  readonly log: Log;
  /** Milliseconds between proofs; 1000 unless told otherwise. */
  readonly proofEveryMs?: number;
  /** Age from which the last proof counts no more, in milliseconds; 4000 unless told otherwise. */
  readonly proofMaxAgeMs?: number;
}

const FIRST_BACK_OFF_MS = 100;
const LONGEST_BACK_OFF_MS = 5_000;
const GOODBYE_MS = 1_000;

type Subscriber = { readonly onNotice: (notice: Notice) => void; readonly onGap: () => void };

/**
 * Starts to listen and goes on, with back-off, until closed. `onGap` is called whenever notices may have been
 * missed: when the connection is lost, when it is back, and when a proof stays out.
 */
export function createNotices(options: NoticesOptions): Notices {
  const { url, pool, log, proofEveryMs = 1_000, proofMaxAgeMs = 4_000 } = options;
  const proofChannel = `evergrant_proof_${randomBytes(8).toString('hex')}`;
  const subscribers = new Set<Subscriber>();
  const stop = new AbortController();
  /** Monotonic time at which the last proof that was heard had been sent. */
  let provenAtMs: number | null = null;

  const gap = (): void => {
    provenAtMs = null;
    for (const { onGap } of subscribers) onGap();
  };

  const hear = ({ channel, payload = '' }: pg.Notification): void => {
    if (channel === proofChannel) {
      provenAtMs = Number(payload);
      return;
    }
    const notice = parseNotice(payload);
    if (notice === null) log.warn({ channel }, 'a notice that this version does not know');
    else for (const { onNotice } of subscribers) onNotice(notice);
  };

  const isProven = (): boolean => provenAtMs !== null && performance.now() - provenAtMs < proofMaxAgeMs;

  /** Listens on one connection until it is lost, stopped, or brings no proof any more. */
  const listen = async (onConnected: () => void): Promise<void> => {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'evergrant listen',
      connectionTimeoutMillis: 5_000,
      query_timeout: 5_000,
      keepAlive: true,
    });
    const lost = new AbortController();
    client.on('error', () => lost.abort());
    client.on('end', () => lost.abort());
    client.on('notification', hear);
    try {
      await client.connect();
      await client.query(`LISTEN ${NOTICE_CHANNEL}; LISTEN ${proofChannel}`);
      // What was committed before LISTEN took effect was not heard.
      gap();
      onConnected();
      const ended = AbortSignal.any([lost.signal, stop.signal]);
      const startedAtMs = performance.now();
      while (!ended.aborted) {
        const sentAtMs = performance.now();
        await query(pool, 'SELECT pg_notify($1, $2)', [proofChannel, String(sentAtMs)]).catch((error: unknown) =>
          log.warn({ code: codeOf(error) }, 'could not send a proof to the listener'),
        );
        await pause(proofEveryMs, ended);
        if (!isProven() && performance.now() - startedAtMs > proofMaxAgeMs) break;
      }
    } finally {
      gap();
      await disconnect(client);
    }
  };

  const run = async (): Promise<void> => {
    let backOffMs = FIRST_BACK_OFF_MS;
    while (!stop.signal.aborted) {
      await listen(() => {
        backOffMs = FIRST_BACK_OFF_MS;
      }).catch((error: unknown) => log.warn({ code: codeOf(error) }, 'could not listen for notices'));
      if (stop.signal.aborted) return;
      log.warn({ backOffMs }, 'the listener for notices was lost');
      await pause(backOffMs, stop.signal);
      backOffMs = Math.min(backOffMs * 2, LONGEST_BACK_OFF_MS);
    }
  };
  const running = run();

  return {
    subscribe(onNotice, onGap) {
      const subscriber = { onNotice, onGap };
      subscribers.add(subscriber);
      return () => subscribers.delete(subscriber);
    },
    isProven,
    async close() {
      stop.abort();
      await running;
    },
  };
}

/** Says goodbye, but waits for no server that is gone without a word. */
async function disconnect(client: pg.Client): Promise<void> {
  const timer = setTimeout(() => client.connection.stream.destroy(), GOODBYE_MS);
  await client.end().catch(() => undefined);
  clearTimeout(timer);
}

/** Resolves after a while or when the signal is aborted; never keeps the process alive by itself. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    timer.unref();
    signal.addEventListener('abort', done);
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}
