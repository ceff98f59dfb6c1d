/** The twin of the brake's tables. */
import type { Changes } from '../../core/aggregate.ts';
import { CROWD_WINDOW_MS } from '../../core/brake.ts';
import type { Crowd, CrowdQuestion } from '../../core/crowd.ts';
import { type Connection, isEnded } from '../../core/connection.ts';
import type { Brake, BrakeStore } from '../../core/stores.ts';

interface Evidence {
  readonly app: string;
  readonly dataCentre: string;
  readonly atMs: number;
}

export interface MemoryBrakes extends BrakeStore {
  crowdOf(connection: Connection, question: CrowdQuestion, all: readonly Connection[]): Crowd;
  note(connection: Connection, evidence: NonNullable<Changes['terminalEvidence']>): void;
}

export function createMemoryBrakes(): MemoryBrakes {
  const evidence = new Map<string, Evidence>();
  const brakes = new Map<string, Brake & { readonly app: string }>();
  const isOn = ({ trippedAtMs, releasedAtMs }: Brake): boolean => releasedAtMs === null || releasedAtMs < trippedAtMs;
  const idOf = (app: string, dataCentre: string): string => `${app}:${dataCentre}`;
  return {
    crowdOf({ id, app }, { dataCentre, nowMs }, all) {
      const brake = brakes.get(idOf(app, dataCentre));
      const releasedAtMs = brake?.releasedAtMs ?? null;
      const isHere = (other: { readonly app: string; readonly dataCentre: string | null }) =>
        other.app === app && other.dataCentre === dataCentre;
      const isRecent = ({ atMs }: Evidence) => atMs > nowMs - CROWD_WINDOW_MS && atMs > (releasedAtMs ?? 0);
      return {
        connections: all.filter((other) => isHere(other) && !isEnded(other.state)).length,
        recentDeaths: [...evidence].filter(([other, it]) => other !== id && isHere(it) && isRecent(it)).length,
        isBrakeOn: brake !== undefined && isOn(brake),
        releasedAtMs,
        ownEvidenceAtMs: evidence.get(id)?.atMs ?? null,
      };
    },
    note({ id, app }, { dataCentre, atMs, tripsBrake }) {
      evidence.set(id, { app, dataCentre, atMs });
      const releasedAtMs = brakes.get(idOf(app, dataCentre))?.releasedAtMs ?? null;
      if (tripsBrake) brakes.set(idOf(app, dataCentre), { app, dataCentre, trippedAtMs: atMs, releasedAtMs });
    },
    many: async (app) =>
      [...brakes.values()]
        .filter((brake) => brake.app === app)
        .map(({ app: _, ...brake }) => brake)
        .sort((one, other) => (one.dataCentre < other.dataCentre ? -1 : 1)),
    async release(app, atMs) {
      const held = [...brakes].filter(([, brake]) => brake.app === app && isOn(brake));
      for (const [id, brake] of held) brakes.set(id, { ...brake, releasedAtMs: Math.max(atMs, brake.trippedAtMs) });
      return held.map(([, { dataCentre }]) => dataCentre).sort();
    },
  };
}
