/** What the load generator's process is told, and what it answers. */

/** First of all: whom to ask what. Later orders name a target. */
export interface Targets {
  readonly kind: 'targets';
  readonly targets: Readonly<Record<string, Target>>;
}

export interface Target {
  readonly host: string;
  readonly port: number;
  /** Asked one after the other, from the beginning again after the last. */
  readonly paths: readonly string[];
  /** Bearer tokens, shared out over the connections; none where nobody asks for one. */
  readonly tokens: readonly string[];
}

export interface LoadOrder {
  readonly kind: 'load';
  readonly target: string;
  readonly connections: number;
  readonly ms: number;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly requests: number;
  /** Answers that were no 200, by status. */
  readonly failures: Readonly<Record<string, number>>;
}
