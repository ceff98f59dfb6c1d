import type { Clock } from '../core/ports.ts';
import type { App, AppStore } from '../core/stores.ts';
import type { AppDirectory } from './deps.ts';

/** A changed app is seen after this at the latest. */
const KEEP_MS = 5_000;

/** Apps from the database, all of them kept for a few seconds: there are a handful. */
export function createAppDirectory(apps: AppStore, clock: Clock): AppDirectory {
  let kept: { readonly byName: Promise<ReadonlyMap<string, App>>; readonly untilMs: number } | null = null;

  async function readAll(): Promise<ReadonlyMap<string, App>> {
    return new Map((await apps.many()).map((app) => [app.app, app]));
  }

  return {
    async maybeOne(name) {
      const now = clock.monotonic();
      if (kept === null || kept.untilMs <= now) {
        const byName = readAll();
        const mine = { byName, untilMs: now + KEEP_MS };
        kept = mine;
        byName.catch(() => {
          if (kept === mine) kept = null;
        });
      }
      return (await kept.byName).get(name) ?? null;
    },
  };
}
