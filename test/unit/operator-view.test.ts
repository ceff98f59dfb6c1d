import { describe, expect, it } from 'vitest';
import { connectionStates, type Connection } from '../../core/connection.ts';
import { buildDetails } from '../../workflows/operator-view.ts';
import { buildAggregate, buildConnection, HOUR, NOW_MS, snapshotOf } from '../simulation/builders.ts';

const DAY = 24 * HOUR;

function detailsOf(over: Partial<Connection>): string {
  const snapshot = snapshotOf(buildAggregate({ connection: buildConnection(over) }));
  return buildDetails(snapshot, { generation: 0, nowMs: NOW_MS });
}

describe('the details in the Temporal UI', () => {
  it('say how the connection is, what comes next, and how long its refresh token had to live when they were written', () => {
    const details = detailsOf({
      state: 'retrying',
      stateSinceMs: NOW_MS - HOUR,
      nextActionAtMs: NOW_MS + HOUR,
      refreshTokenExpiresAtMs: NOW_MS + 179 * DAY + HOUR,
      company: { name: 'Aurora', domain: 'aurora.example' },
      lastError: { code: 'provider-unavailable', concurCode: 134, atMs: NOW_MS, correlationId: 'c-1' },
    });
    const at = (ms: number): string => new Date(ms).toISOString();
    for (const line of [
      '- Company: Aurora, aurora.example',
      `- State: **retrying** since ${at(NOW_MS - HOUR)}`,
      `- Next action: ${at(NOW_MS + HOUR)}`,
      `- Refresh token until: ${at(NOW_MS + 179 * DAY + HOUR)}, 179 days from ${at(NOW_MS).slice(0, 10)}`,
      `- Last error: provider-unavailable, Concur code 134, at ${at(NOW_MS)}, correlation id c-1`,
    ]) {
      expect(details.split('\n')).toContain(line);
    }
  });

  it('leave out the end of a refresh token that nobody knows', () => {
    expect(detailsOf({ refreshTokenExpiresAtMs: null })).not.toContain('Refresh token');
  });

  it.each(connectionStates)('say in %s what can be done', (state) => {
    expect(detailsOf({ state }).split('\n').at(-1)).toMatch(/^[A-Z].{10,}/);
  });
});
