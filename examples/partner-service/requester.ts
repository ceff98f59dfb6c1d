/**
 * One request to Evergrant, repeated where that helps: 429 and 503 after at least as long as `retry-after` says, no
 * answer at all after a growing pause, each with jitter so that many services don't come back at once; never beyond the
 * caller's patience. Redirects are refused: the bearer token is for Evergrant alone.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Problem } from './api-types.ts';
import type { Bearer } from './bearer.ts';
import { EvergrantError } from './evergrant-error.ts';

/** The part of `fetch` that is needed: the built-in one, or undici's with a proxy. */
export type Fetch = (
  url: string,
  init: {
    readonly method: string;
    readonly headers: Record<string, string>;
    readonly body?: string;
    readonly signal: AbortSignal;
    readonly redirect: 'error';
  },
) => Promise<{
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}>;

export interface Call {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: object;
  /** Done twice it is not done once: only repeated when Evergrant has refused it. */
  readonly isOnce?: boolean;
}

export interface RequesterOptions {
  readonly baseUrl: string;
  readonly bearer: Bearer;
  readonly fetch: Fetch;
  /** Of one try. A token read may take the 20 s of a refresh. */
  readonly timeoutMs: number;
  /** No try begins later than so long after the first. 0: there is one try. */
  readonly patienceMs: number;
  /** Ends everything. */
  readonly signal?: AbortSignal | undefined;
}

const MOST_TRIES = 6;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8_000;

export type Requester = <T>(call: Call) => Promise<T>;

/** @throws (from each call) EvergrantError; the reason of `signal` when that ended it. */
export function createRequester(options: RequesterOptions): Requester {
  const base = options.baseUrl.replace(/\/+$/, '');

  async function send(call: Call, isRefused: boolean): Promise<unknown> {
    const url = new URL(`${base}${call.path}`);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const timeout = AbortSignal.timeout(options.timeoutMs);
    const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
    const headers = {
      accept: 'application/json',
      authorization: `Bearer ${await options.bearer(isRefused)}`,
      ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    try {
      const answer = await options.fetch(url.href, {
        method: call.method,
        headers,
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
        signal,
        redirect: 'error',
      });
      return parseAnswer(answer.status, answer.headers, await answer.text());
    } catch (error) {
      if (error instanceof EvergrantError) throw error;
      options.signal?.throwIfAborted();
      if (timeout.aborted) {
        throw new EvergrantError('timed-out', `No answer within ${options.timeoutMs / 1_000} s.`, { cause: error });
      }
      throw new EvergrantError('unreachable', `Can't reach ${url.origin}: ${reasonOf(error)}`, { cause: error });
    }
  }

  return async <T>(call: Call): Promise<T> => {
    const deadlineMs = performance.now() + options.patienceMs;
    let isRefused = false;
    for (let tries = 1; ; tries += 1) {
      try {
        return (await send(call, isRefused)) as T;
      } catch (error) {
        if (!(error instanceof EvergrantError)) throw error;
        // A token of one's own may have been signed by a clock that went wrong, one in a file been renewed.
        if (error.code === 'unauthenticated' && !isRefused) {
          isRefused = true;
          continue;
        }
        if (!mayRepeat(error, call) || tries >= MOST_TRIES) throw error;
        const pauseMs = pauseAfter(error, tries);
        if (performance.now() + pauseMs > deadlineMs) throw error;
        await sleep(pauseMs, undefined, { signal: options.signal });
      }
    }
  };
}

function mayRepeat({ status, code }: EvergrantError, call: Call): boolean {
  if (status === 429 || status === 503) return true;
  return call.isOnce !== true && (code === 'unreachable' || code === 'timed-out' || (status ?? 0) >= 500);
}

/** Jitter comes on top: never sooner than asked. */
function pauseAfter({ retryAfterMs }: EvergrantError, tries: number): number {
  const growing = Math.min(FIRST_PAUSE_MS * 2 ** (tries - 1), LONGEST_PAUSE_MS);
  const leastMs = Math.max(retryAfterMs ?? 0, growing);
  return leastMs + Math.random() * Math.max(growing, leastMs / 5);
}

function parseAnswer(status: number, headers: { get(name: string): string | null }, text: string): unknown {
  const json = parseJson(text);
  if (status >= 200 && status < 300 && json !== null) return json;
  const facts = {
    status,
    requestId: headers.get('x-request-id'),
    retryAfterMs: parseRetryAfter(headers.get('retry-after')),
  };
  if (isProblem(json)) {
    throw new EvergrantError(json.code, json.detail || json.title, { ...facts, problem: json });
  }
  // A proxy in between, or another server altogether.
  throw new EvergrantError('unexpected-answer', `Status ${status} without an answer of Evergrant's.`, facts);
}

function parseJson(text: string): object | null {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' ? json : null;
  } catch {
    return null;
  }
}

function isProblem(json: object | null): json is Problem {
  return json !== null && 'code' in json && 'detail' in json && 'type' in json;
}

/** Seconds or a date (RFC 9110 section 10.2.3), in milliseconds from now. */
function parseRetryAfter(value: string | null): number | null {
  if (value === null) return null;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return 'unknown';
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message;
}
