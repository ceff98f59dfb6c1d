/** Apps with their credentials, opened from the vault and kept for a few seconds. */
import type { AppSource } from '../activities/deps.ts';
import { AppError } from '../core/errors.ts';
import type { Clock, Vault } from '../core/ports.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import type { AppStore } from '../core/stores.ts';

/** A changed app or a new secret is in use after this at the latest. */
const KEEP_MS = 5_000;

type Found = Awaited<ReturnType<AppSource['one']>>;

export function createAppSource(deps: {
  readonly apps: AppStore;
  readonly vault: Vault;
  readonly clock: Clock;
}): AppSource {
  const { apps, vault, clock } = deps;
  // One entry per app of the partner, of which there are a handful.
  const kept = new Map<string, { readonly found: Promise<Found>; readonly untilMs: number }>();

  async function read(name: string): Promise<Found> {
    const [app, secrets] = await Promise.all([apps.maybeOne(name), apps.secrets(name)]);
    if (app === null)
      throw new AppError('not-found', `there is no app '${name}' in the database`, { details: { app: name } });
    const newest = secrets[0];
    if (newest === undefined) {
      throw new AppError(
        'configuration-invalid',
        `app '${name}' has no client secret: evergrant apps secret-add ${name}`,
        {
          details: { app: name },
        },
      );
    }
    const clientSecret = await vault.open(newest.sealed, sealContexts.clientSecret(newest.id));
    return { app, credentials: { clientId: app.clientId, clientSecret } };
  }

  return {
    async one(name) {
      const now = clock.monotonic();
      const known = kept.get(name);
      if (known !== undefined && known.untilMs > now) return await known.found;
      const found = read(name);
      kept.set(name, { found, untilMs: now + KEEP_MS });
      found.catch(() => kept.delete(name));
      return await found;
    },
  };
}
