/**
 * One grant as SAP Concur keeps it, reduced to which refresh tokens live. Concur's docs leave open what becomes of a
 * value once a changed one was issued, so all three kinds are played: `same` (the value stays), `lax` (it changes, the
 * old one lives on), `strict` (it changes, the old one is dead at once).
 */
export const rotations = ['same', 'lax', 'strict'] as const;
export type Rotation = (typeof rotations)[number];

export interface ModelGrant {
  /** The refresh token that comes back, or null for "bad refresh token". */
  refresh(token: string): string | null;
  /** Concur falls back to what it knew before its last answer (a fail-over, a backup): the newest value never was. */
  forget(): void;
  /** The customer presses Disconnect. */
  disconnect(): void;
  isAlive(token: string): boolean;
  isDisconnected(): boolean;
}

export function createModelGrant(rotation: Rotation, first: string): ModelGrant {
  const living = new Set([first]);
  let before: readonly string[] | null = null;
  let isOver = false;
  let issued = 0;
  return {
    refresh(token) {
      if (!living.has(token)) return null;
      if (rotation === 'same') return token;
      before = [...living];
      if (rotation === 'strict') living.delete(token);
      const next = `${first}+${(issued += 1)}`;
      living.add(next);
      return next;
    },
    forget() {
      if (before === null) return;
      living.clear();
      for (const token of before) living.add(token);
      before = null;
    },
    disconnect() {
      living.clear();
      before = null;
      isOver = true;
    },
    isAlive: (token) => living.has(token),
    isDisconnected: () => isOver,
  };
}
