/**
 * Applies the apps file at start: adds and changes, never removes. A new client secret is added beside the old ones;
 * an app that is on file and not in the file any more is refused, since its connections would be orphaned.
 */
import { AppError } from '../core/errors.ts';
import type { Clock, Log, Rng, Vault } from '../core/ports.ts';
import { sealContexts } from '../core/seal-contexts.ts';
import type { Secret } from '../core/secret.ts';
import type { App, AppStore } from '../core/stores.ts';

export interface AppEntry {
  readonly app: App;
  readonly clientSecret: Secret;
}

export interface ApplyAppsDeps {
  readonly apps: AppStore;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
}

/** @throws `configuration-invalid` for a vanished app, `conflict` for a changed client id. */
export async function applyApps(
  { apps, vault, clock, rng, log }: ApplyAppsDeps,
  entries: readonly AppEntry[],
): Promise<void> {
  const named = new Set(entries.map(({ app }) => app.app));
  const vanished = (await apps.many()).map(({ app }) => app).filter((app) => !named.has(app));
  if (vanished.length > 0) {
    throw new AppError(
      'configuration-invalid',
      `APPS_FILE: no longer names ${vanished.join(', ')}, which the database has. Put it back: apps are never removed.`,
    );
  }
  for (const { app, clientSecret } of entries) {
    const change = await apps.apply(app);
    const id = rng.uuid();
    const [sealed, fingerprint] = await Promise.all([
      vault.seal(clientSecret, sealContexts.clientSecret(id)),
      vault.fingerprint(clientSecret, 'app_secrets'),
    ]);
    const secret = await apps.addSecret(app.app, { id, sealed, fingerprint, createdAtMs: clock.now() });
    if (change !== 'unchanged' || secret === 'added') log.info({ app: app.app, change, secret }, 'app applied');
  }
}
