import type { Notice } from '../core/stores.ts';
import type { Statement } from './query.ts';

/** The channel of LISTEN and NOTIFY on which all processes hear of changes. */
export const NOTICE_CHANNEL = 'evergrant_notices';

/** A NOTIFY that is delivered when, and only when, the transaction commits. */
export function notifyStatement(notice: Notice): Statement {
  return { text: 'SELECT pg_notify($1, $2)', values: [NOTICE_CHANNEL, JSON.stringify(notice)] };
}

/** A payload from the channel; null for one that a newer version of Evergrant sent. */
export function parseNotice(payload: string): Notice | null {
  const value = parseObject(payload);
  if (value === null) return null;
  const { kind, app, principal, version, id } = value;
  if (kind === 'client' && typeof id === 'string') return { kind, id };
  if (kind !== 'connection') return null;
  if (typeof app !== 'string' || typeof principal !== 'string' || typeof version !== 'number') return null;
  return { kind, app, principal, version };
}

function parseObject(payload: string): Partial<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(payload);
    return typeof value === 'object' && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}
