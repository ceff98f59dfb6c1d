/**
 * What partners are told of a connection, when it is tried again, and when it is given up. Standard Webhooks 1.0:
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import type { Act, AuditEntry } from './audit-entry.ts';
import type { Connection } from './connection.ts';

export const webhookTypes = [
  'connection.connected',
  'connection.suspended',
  'connection.recovered',
  'connection.expiring',
  'connection.reauthorization_required',
  'connection.revoked',
  'connection.moved',
] as const;
export type WebhookType = (typeof webhookTypes)[number];

/** Sent by `webhooks test` to every endpoint, whatever it wants to hear of. */
export const TEST_TYPE = 'webhook.test';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Pauses after the first try and each one that follows: three days and a half in all. */
const PAUSES_MS = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
] as const;

/** Both secrets sign for so long after a new one was made. */
export const SECRET_OVERLAP_MS = 24 * HOUR;

/** What the audit rows of one transaction mean to a partner, each once. */
export function webhookTypesOf(events: readonly AuditEntry[]): readonly WebhookType[] {
  return [...new Set(events.map(webhookTypeOf).filter((type) => type !== null))];
}

function webhookTypeOf({ type, stateTo }: AuditEntry): WebhookType | null {
  if (stateTo === 'suspended') return 'connection.suspended';
  if (stateTo === 'reauthorization-required') return 'connection.reauthorization_required';
  if (stateTo === 'revoked') return 'connection.revoked';
  if (type === 'connection.reconnected') return 'connection.connected';
  return webhookTypes.find((known) => known === type) ?? null;
}

/** When the next try is due after `attempts` that failed; null: no more. An endpoint may ask for a day at most. */
export function nextDeliveryAtMs(attempts: number, nowMs: number, retryAfterMs: number | null): number | null {
  const pauseMs = PAUSES_MS[attempts - 1];
  return pauseMs === undefined ? null : nowMs + Math.max(pauseMs, Math.min(retryAfterMs ?? 0, 24 * HOUR));
}

/** A message on its way to one endpoint. */
export interface Delivery {
  readonly messageId: string;
  readonly app: string;
  readonly url: string;
  readonly type: string;
  /** As it was when it happened; null for a test. */
  readonly connection: Connection | null;
  readonly atMs: number;
  /** This one included. */
  readonly attempts: number;
}

/** What came of a try. */
export type DeliveryOutcome =
  | { readonly kind: 'delivered'; readonly status: number }
  /** The endpoint wants no more. */
  | { readonly kind: 'gone'; readonly status: number }
  | {
      readonly kind: 'failed';
      readonly status: number | null;
      /** Stable word. */
      readonly error: string;
      /** Null: given up. */
      readonly nextAtMs: number | null;
    };

export interface SealedWebhookSecret {
  readonly id: string;
  /** Sealed under `webhook_secrets:{id}:secret`. */
  readonly sealed: string;
  readonly createdAtMs: number;
  /** Null: the newest. */
  readonly retiresAtMs: number | null;
}

/** One endpoint and how it does. */
export interface WebhookEndpoint {
  readonly url: string;
  readonly events: readonly string[];
  readonly disabledAtMs: number | null;
  readonly pending: number;
  readonly failed: number;
  readonly lastDeliveredAtMs: number | null;
  readonly lastError: string | null;
}

/** How one message has come to one endpoint. */
export interface DeliveryState {
  readonly url: string;
  readonly status: 'pending' | 'delivered' | 'failed';
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
}

/** The outbox and all that is sent from it. Messages get into it with the transactions of the connections. */
export interface WebhookStore {
  /**
   * Takes due messages to send, for so long that nobody else sends them; only where the app has a secret, and to endpoints
   * that it still names. `perEndpoint`: no more of one, and none of those that are `busy` (by their URLs).
   */
  claim(query: {
    readonly nowMs: number;
    readonly leaseMs: number;
    readonly limit: number;
    readonly perEndpoint: number;
    readonly busy: readonly string[];
  }): Promise<readonly Delivery[]>;
  /** Does nothing when the delivery was taken, or asked for, once more since. */
  settle(
    delivery: Pick<Delivery, 'messageId' | 'app' | 'url' | 'attempts'>,
    outcome: DeliveryOutcome,
    nowMs: number,
  ): Promise<void>;
  /** Secrets that sign now, newest first. */
  secrets(app: string, nowMs: number): Promise<readonly SealedWebhookSecret[]>;
  /** Adds the newest; those before it sign on until `overlapUntilMs`. */
  addSecret(
    app: string,
    secret: Omit<SealedWebhookSecret, 'retiresAtMs'>,
    options: { readonly overlapUntilMs: number },
    act: Act,
  ): Promise<void>;
  endpoints(app: string): Promise<readonly WebhookEndpoint[]>;
  /** Puts a test message on its way to every endpoint that has not asked for no more; its id. */
  test(app: string, nowMs: number): Promise<string>;
  deliveries(messageId: string): Promise<readonly DeliveryState[]>;
  /**
   * Sends again what was told since then, or one message, or only what was given up; endpoints that wanted no more are
   * asked again. How many deliveries that makes.
   */
  replay(
    app: string,
    what: { readonly sinceMs: number | null; readonly messageId: string | null; readonly onlyFailed: boolean },
    nowMs: number,
    act: Act,
  ): Promise<number>;
  /** Age of the oldest message that an endpoint in use has not taken yet, in milliseconds; 0 when there is none. */
  lagMs(nowMs: number): Promise<number>;
  /** Removes what happened before then, told or not; how many messages. */
  sweep(beforeMs: number): Promise<number>;
}
