import type { CallSubject } from './protocol/concur-service.ts';
import type { Endpoint } from './protocol/wire.ts';

/** One call to Concur, from the last byte of the request to the first of the answer. Holds no secrets. */
export interface CallRecord extends CallSubject {
  readonly id: number;
  readonly endpoint: Endpoint;
  readonly dataCentre: string;
  readonly correlationId: string;
  /** On the sandbox's clock. */
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
  /** Places in one row of starts and ends: two calls overlapped if and only if these intervals do. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** `abandoned`: the caller hung up first. */
  readonly outcome: 'open' | 'answered' | 'dropped' | 'abandoned';
  /** Whether Concur acted on it, whatever the caller was told. */
  readonly processed: boolean;
  readonly status: number | null;
  /** Concur's code in the answer. */
  readonly code: number | null;
  /** Kinds of the faults that hit it. */
  readonly faults: readonly string[];
}

export interface CallFilter {
  readonly endpoint?: Endpoint | undefined;
  readonly dataCentre?: string | undefined;
  readonly grantType?: string | undefined;
  readonly clientId?: string | undefined;
  /** A company matches its users too. */
  readonly principalId?: string | undefined;
  readonly status?: number | undefined;
  readonly code?: number | undefined;
  /** Only calls with a larger id. */
  readonly after?: number | undefined;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export type OpenCall = Mutable<CallRecord>;

/** The last calls, oldest first; a ring, so that a sandbox can run for weeks. */
export class CallLog {
  readonly #limit: number;
  readonly #now: () => number;
  readonly #watchers = new Set<() => void>();
  #calls: OpenCall[] = [];
  #serial = 0;
  #place = 0;

  constructor(options: { readonly limit: number; now(): number }) {
    this.#limit = options.limit;
    this.#now = () => options.now();
  }

  begin(call: CallSubject & Pick<CallRecord, 'endpoint' | 'dataCentre' | 'correlationId' | 'faults'>): OpenCall {
    const record: OpenCall = {
      ...call,
      id: ++this.#serial,
      startedAtMs: this.#now(),
      endedAtMs: null,
      startedAt: ++this.#place,
      endedAt: null,
      outcome: 'open',
      processed: false,
      status: null,
      code: null,
    };
    this.#calls.push(record);
    if (this.#calls.length > this.#limit * 1.1) this.#calls = this.#calls.slice(-this.#limit);
    this.#tell();
    return record;
  }

  /** Ends a call once; later ends of the same call are ignored. */
  end(record: OpenCall, facts: Partial<Pick<CallRecord, 'outcome' | 'processed' | 'status' | 'code'>>): void {
    if (record.endedAt !== null) return;
    Object.assign(record, facts, { endedAtMs: this.#now(), endedAt: ++this.#place });
    this.#tell();
  }

  many(filter: CallFilter = {}): readonly CallRecord[] {
    return this.#calls.filter((call) => isWanted(filter, call)).map((call) => ({ ...call }));
  }

  /** How many of these calls were under way at the same time, at most. */
  mostAtOnce(filter: CallFilter = {}): number {
    const marks = this.many(filter).flatMap((call) => [
      { at: call.startedAt, by: 1 },
      { at: call.endedAt ?? Number.POSITIVE_INFINITY, by: -1 },
    ]);
    let open = 0;
    let most = 0;
    for (const mark of marks.sort((one, other) => one.at - other.at)) {
      open += mark.by;
      most = Math.max(most, open);
    }
    return most;
  }

  /** Resolves with the calls when that many have ended; rejects after the time-out. */
  waitFor(filter: CallFilter, count: number, timeoutMs: number): Promise<readonly CallRecord[]> {
    return new Promise((resolve, reject) => {
      const ended = (): readonly CallRecord[] => this.many(filter).filter((call) => call.endedAt !== null);
      const check = (): void => {
        const calls = ended();
        if (calls.length < count) return;
        clearTimeout(timer);
        this.#watchers.delete(check);
        resolve(calls);
      };
      const timer = setTimeout(() => {
        this.#watchers.delete(check);
        reject(new Error(`${ended().length} of ${count} calls like ${JSON.stringify(filter)} came in ${timeoutMs} ms`));
      }, timeoutMs);
      this.#watchers.add(check);
      check();
    });
  }

  #tell(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

function isWanted(filter: CallFilter, call: CallRecord): boolean {
  const principal = filter.principalId?.toLowerCase();
  return (
    (filter.endpoint === undefined || filter.endpoint === call.endpoint) &&
    (filter.dataCentre === undefined || filter.dataCentre === call.dataCentre) &&
    (filter.grantType === undefined || filter.grantType === call.grantType) &&
    (filter.clientId === undefined || filter.clientId === call.clientId) &&
    (filter.status === undefined || filter.status === call.status) &&
    (filter.code === undefined || filter.code === call.code) &&
    (filter.after === undefined || call.id > filter.after) &&
    (principal === undefined || principal === call.principalId || principal === call.companyId)
  );
}
