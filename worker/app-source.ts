/** Apps with their credentials, opened from the vault and kept for a few seconds. */
import type { AppSource, StoredCredentials } from '../activities/deps.ts';
import { AppError } from '../core/errors.ts';
import type { Clock, Log, Vault } from '../core/ports.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import type { App, AppSecretFacts, AppStore } from '../core/stores.ts';

/** A changed app or a new secret is in use after this at the latest. */
const KEEP_MS = 5_000;

interface Found {
  readonly app: App;
  /** In the order to try. */
  readonly secrets: readonly (AppSecretFacts & StoredCredentials)[];
}

export function createAppSource(deps: {
  readonly apps: AppStore;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly log: Log;
}): AppSource {
  const { apps, vault, clock, log } = deps;
  // One entry per app of the partner, of which there are a handful.
  const kept = new Map<string, { readonly found: Promise<Found>; readonly untilMs: number }>();

  async function read(name: string): Promise<Found> {
    const [app, stored] = await Promise.all([apps.maybeOne(name), apps.secrets(name)]);
    if (app === null)
      throw new AppError('not-found', `there is no app '${name}' in the database`, { details: { app: name } });
    const secrets = await Promise.all(
      stored.map(async ({ sealed, ...facts }) => ({
        ...facts,
        secretId: facts.id,
        clientId: app.clientId,
        clientSecret: await vault.open(sealed, sealContexts.clientSecret(facts.id)),
      })),
    );
    return { app, secrets: inOrderToTry(secrets) };
  }

  function keep(name: string, found: Promise<Found>): Promise<Found> {
    kept.set(name, { found, untilMs: clock.monotonic() + KEEP_MS });
    found.catch(() => kept.delete(name));
    return found;
  }

  async function noteWorked(name: string, secretId: string): Promise<void> {
    const known = kept.get(name);
    if (known === undefined) return;
    const { app, secrets } = await known.found;
    const secret = secrets.find(({ id }) => id === secretId);
    // Written when the order changes, not at every call.
    if (secret === undefined || (secrets[0] === secret && secret.lastWorkedAtMs !== null)) return;
    // By the clocks of others it may have been added later than now.
    const atMs = Math.max(clock.now(), ...secrets.map(({ createdAtMs }) => createdAtMs));
    const noted = secrets.map((one) => (one === secret ? { ...one, lastWorkedAtMs: atMs } : one));
    if (kept.get(name) === known) void keep(name, Promise.resolve({ app, secrets: inOrderToTry(noted) }));
    await apps.noteSecretWorked(name, secretId, atMs);
  }

  return {
    async one(name, options) {
      const known = kept.get(name);
      const isKept = known !== undefined && known.untilMs > clock.monotonic() && options?.fresh !== true;
      const { app, secrets } = await (isKept ? known.found : keep(name, read(name)));
      return { app, credentials: secrets };
    },
    worked(name, secretId) {
      noteWorked(name, secretId).catch((error: unknown) => {
        log.warn({ err: error, app: name }, 'which client secret worked could not be noted');
      });
    },
  };
}

/** The one that worked last, unless a newer one has appeared since; then the newest first, as they come. */
export function inOrderToTry<T extends Pick<AppSecretFacts, 'createdAtMs' | 'lastWorkedAtMs'>>(
  newestFirst: readonly T[],
): readonly T[] {
  const lastWorked = newestFirst.reduce<T | undefined>(
    (best, one) => ((one.lastWorkedAtMs ?? 0) > (best?.lastWorkedAtMs ?? 0) ? one : best),
    undefined,
  );
  const workedAtMs = lastWorked?.lastWorkedAtMs ?? 0;
  const sorted = newestFirst.toSorted((one, other) => other.createdAtMs - one.createdAtMs);
  if (lastWorked === undefined || sorted.some(({ createdAtMs }) => createdAtMs > workedAtMs)) return sorted;
  return [lastWorked, ...sorted.filter((one) => one !== lastWorked)];
}
