/**
 * Sends what lies in the outbox, every second what is due: signed, a bounded number at once, again for days where an
 * endpoint fails. A message that was sent may be sent once more after a crash; its id stays the same.
 */
import { buildConnectionResource, formatTime } from '../../core/connection-resource.ts';
import { isAppError } from '../../core/errors.ts';
import type { Clock, Log, Vault } from '../../core/ports.ts';
import { type RefreshPolicy, upkeepOf } from '../../core/refresh-policy.ts';
import { sealContexts } from '../../core/seal-contexts.ts';
import type { Secret } from '../../core/secret.ts';
import type { App } from '../../core/stores.ts';
import { type Delivery, type DeliveryOutcome, nextDeliveryAtMs, type WebhookStore } from '../../core/webhooks.ts';
import { connectionWorkflowId } from '../../workflows/contract.ts';
import type { Poster } from './post.ts';

export interface CourierDeps {
  readonly store: WebhookStore;
  readonly apps: { one(app: string): Promise<{ readonly app: App }> };
  readonly vault: Pick<Vault, 'open'>;
  readonly poster: Poster;
  /** Headers with a signature by each secret. */
  readonly sign: (
    secrets: readonly Secret[],
    message: { readonly messageId: string; readonly sentAtMs: number; readonly body: string },
  ) => Record<string, string>;
  readonly policy: RefreshPolicy;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Told after every round how old the oldest undelivered message is. */
  readonly onLag: (lagMs: number) => void;
}

const EVERY_MS = 1_000;
/** After trouble with the database. */
const TROUBLE_PAUSE_MS = 10_000;
/** Deliveries under way at once, and to one endpoint: several that hang leave room for the others. */
const AT_ONCE = 32;
const PER_ENDPOINT = 8;
/** Longer than a try can take. */
const LEASE_MS = 60_000;
/** What is under way at the end is waited for so long; the next worker tries it again after its lease. */
const DRAIN_MS = 2_000;

/** Runs until the signal; never rejects. */
export async function repeatDeliveries(deps: CourierDeps): Promise<void> {
  const { store, clock, log, signal } = deps;
  const underWay = new Map<Promise<void>, string>();
  const begin = (delivery: Delivery): void => {
    const work: Promise<void> = deliver(deps, delivery)
      // It stays taken until its lease is over.
      .catch((error: unknown) => log.warn({ err: error, messageId: delivery.messageId }, 'a webhook was not settled'))
      .finally(() => underWay.delete(work));
    underWay.set(work, delivery.url);
  };
  while (!signal.aborted) {
    try {
      const limit = AT_ONCE - underWay.size;
      const wanted = { leaseMs: LEASE_MS, perEndpoint: PER_ENDPOINT, busy: busyOf([...underWay.values()]) };
      const due = limit > 0 ? await store.claim({ nowMs: clock.now(), limit, ...wanted }) : [];
      for (const delivery of due) begin(delivery);
      deps.onLag(await store.lagMs(clock.now()));
      if (due.length >= Math.min(limit, PER_ENDPOINT)) await Promise.race([...underWay.keys(), pause(deps, EVERY_MS)]);
      else await pause(deps, EVERY_MS);
    } catch (error) {
      log.warn({ err: error }, 'the outbox could not be read; trying again');
      await pause(deps, TROUBLE_PAUSE_MS);
    }
  }
  await Promise.race([Promise.all(underWay.keys()), clock.sleep(DRAIN_MS)]);
}

function pause({ clock, signal }: CourierDeps, ms: number): Promise<void> {
  return clock.sleep(ms, signal).catch(() => undefined);
}

/** URLs to which as many as may be are under way. */
function busyOf(urls: readonly string[]): readonly string[] {
  return [...new Set(urls)].filter((url) => urls.filter((other) => other === url).length >= PER_ENDPOINT);
}

async function deliver(deps: CourierDeps, delivery: Delivery): Promise<void> {
  const { store, clock, log } = deps;
  const outcome = await attempt(deps, delivery);
  const { app, messageId, url, type, attempts } = delivery;
  const fields = { app, messageId, origin: new URL(url).origin, type, attempts, outcome };
  if (outcome.kind === 'delivered') log.debug(fields, 'webhook delivered');
  else log.warn(fields, outcome.kind === 'gone' ? 'the endpoint wants no more webhooks' : 'webhook not delivered');
  await store.settle(delivery, outcome, clock.now());
}

async function attempt(deps: CourierDeps, delivery: Delivery): Promise<DeliveryOutcome> {
  const { clock, log, poster } = deps;
  const failed = (status: number | null, error: string, retryAfterMs: number | null = null): DeliveryOutcome => ({
    kind: 'failed',
    status,
    error,
    nextAtMs: nextDeliveryAtMs(delivery.attempts, clock.now(), retryAfterMs),
  });
  let message: Awaited<ReturnType<typeof buildMessage>>;
  try {
    message = await buildMessage(deps, delivery);
  } catch (error) {
    // No try of the endpoint's: once the database is back it is taken again.
    if (isAppError(error, 'database-unavailable')) throw error;
    log.error({ err: error, app: delivery.app, messageId: delivery.messageId }, 'a webhook could not be made');
    return failed(null, 'not-made');
  }
  try {
    const { status, retryAfter } = await poster.post(delivery.url, message.headers, message.body);
    if (status >= 200 && status < 300) return { kind: 'delivered', status };
    if (status === 410) return { kind: 'gone', status };
    return failed(status, 'refused-by-endpoint', secondsOf(retryAfter));
  } catch (error) {
    return failed(null, error instanceof Error ? error.message : 'failed');
  }
}

async function buildMessage(
  { store, apps, vault, policy, clock, sign }: CourierDeps,
  { app: name, messageId, type, connection, atMs }: Delivery,
): Promise<{ readonly headers: Record<string, string>; readonly body: string }> {
  const sentAtMs = clock.now();
  const [{ app }, sealed] = await Promise.all([apps.one(name), store.secrets(name, sentAtMs)]);
  const secrets = await Promise.all(sealed.map((one) => vault.open(one.sealed, sealContexts.webhookSecret(one.id))));
  const data =
    connection === null
      ? { app: name }
      : buildConnectionResource(connection, {
          upkeep: upkeepOf(policy, connection, atMs),
          listingUrl: app.landing.listingUrl,
          workflowId: connectionWorkflowId(connection),
        });
  const body = JSON.stringify({ type, timestamp: formatTime(atMs), data });
  return { headers: sign(secrets, { messageId, sentAtMs, body }), body };
}

function secondsOf(retryAfter: string | null): number | null {
  return retryAfter !== null && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) * 1_000 : null;
}
