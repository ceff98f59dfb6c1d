/** The twin of the table of app trouble, and of the look at who waits for its end. */
import type { Changes } from '../../core/aggregate.ts';
import { isAppTroubleReason } from '../../core/app-trouble.ts';
import type { AppTrouble } from '../../core/aggregate.ts';
import { HELD_BY_BRAKE } from '../../core/brake.ts';
import type { Connection } from '../../core/connection.ts';
import type { AppTroubleStore, Waiting } from '../../core/stores.ts';

export interface MemoryAppTroubles extends AppTroubleStore {
  of(app: string): readonly AppTrouble[];
  note(app: string, trouble: NonNullable<Changes['appTrouble']>): void;
}

export function createMemoryAppTroubles(all: () => readonly Connection[]): MemoryAppTroubles {
  const troubles = new Map<string, AppTrouble & { readonly app: string }>();
  const idOf = (app: string, dataCentre: string): string => `${app}:${dataCentre}`;
  const of = (app: string): readonly AppTrouble[] =>
    [...troubles.values()]
      .filter((trouble) => trouble.app === app)
      .map(({ app: _, ...trouble }) => trouble)
      .sort((one, other) => (one.dataCentre < other.dataCentre ? -1 : 1));
  return {
    of,
    note(app, trouble) {
      const { dataCentre } = trouble;
      const id = idOf(app, dataCentre);
      if (trouble.kind === 'cleared') return void troubles.delete(id);
      const { reason, concurCode, atMs } = trouble;
      const before = troubles.get(id) ?? { failures: 0, sinceMs: atMs };
      const { failures, sinceMs } = before;
      troubles.set(id, { app, dataCentre, failures: failures + 1, reason, concurCode, sinceMs });
    },
    many: async (app) => of(app),
    clear: async (app, dataCentre) => void troubles.delete(idOf(app, dataCentre)),
    async countWaiting(app) {
      const counts = new Map<string, Waiting>();
      for (const connection of all().filter((one) => one.app === app)) {
        const waitsFor = waitsForOf(connection);
        const { dataCentre } = connection;
        if (waitsFor === null || dataCentre === null) continue;
        const id = `${dataCentre}:${waitsFor}`;
        counts.set(id, { dataCentre, waitsFor, count: (counts.get(id)?.count ?? 0) + 1 });
      }
      return [...counts].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, waiting]) => waiting);
    },
    async manyWaiting({ app, dataCentre, waitsFor, sinceByMs, cursor = '', limit }) {
      const found = all()
        .filter((one) => one.app === app && one.dataCentre === dataCentre && one.stateSinceMs <= sinceByMs)
        .filter((one) => waitsForOf(one) === waitsFor && one.principal > cursor)
        .sort((one, other) => (one.principal < other.principal ? -1 : 1));
      const items = found.slice(0, limit).map(({ principal }) => ({ app, principal }));
      return { items, nextCursor: found.length > limit ? (items.at(-1)?.principal ?? null) : null };
    },
  };
}

function waitsForOf({ state, reason, lastError }: Connection): Waiting['waitsFor'] | null {
  if (state === 'blocked' || (state === 'revoking' && isAppTroubleReason(lastError?.code ?? ''))) return 'credentials';
  return state === 'suspended' && reason === HELD_BY_BRAKE ? 'brake' : null;
}
