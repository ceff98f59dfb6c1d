import { describe, expect, it } from 'vitest';
import { connectionStates, type Connection } from '../../core/connection.ts';
import { buildDetails, buildGuardianDetails, buildUnidentifiedDetails } from '../../workflows/operator-view.ts';
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
      `- Next try: ${at(NOW_MS + HOUR)}`,
      `- Refresh token until: ${at(NOW_MS + 179 * DAY + HOUR)}, 179 days from ${at(NOW_MS).slice(0, 10)}`,
      `- Last error: provider-unavailable, Concur code 134, at ${at(NOW_MS)}, correlation id c-1`,
    ]) {
      expect(details.split('\n')).toContain(line);
    }
  });

  it('leave out the end of a refresh token that nobody knows', () => {
    expect(detailsOf({ refreshTokenExpiresAtMs: null })).not.toContain('Refresh token');
  });

  it.each(connectionStates)('say in %s whose connection it is, since when, and what can be done', (state) => {
    const lines = detailsOf({ state }).split('\n');
    expect(lines[0]).toMatch(/^- Connection: app demo, principal [0-9a-f-]{36}$/);
    expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^- State: \\*\\*${state}\\*\\* since \\d{4}-`)));
    expect(lines).toContainEqual(expect.stringMatching(/^- What to do: [A-Z].{10,}/));
  });

  it.each(['revoked', 'connect-failed', 'reauthorization-required'] as const)(
    'promise in %s no days to a token that is dead',
    (state) => {
      const details = detailsOf({ state, nextActionAtMs: null, refreshTokenExpiresAtMs: NOW_MS + 90 * DAY });
      expect(details).not.toMatch(/token until|Upkeep|Next/);
    },
  );

  it('send nobody to a customer who can do nothing about the brake', () => {
    const held = detailsOf({ state: 'suspended', reason: 'held-by-brake' });
    expect(held).toContain('`evergrant apps release demo`');
    expect(held).not.toContain('customer has to');
    expect(detailsOf({ state: 'suspended', reason: 'app-disabled-by-customer' })).toContain('customer has to');
  });

  it('name scopes that the customer did not grant', () => {
    expect(detailsOf({ missingScopes: ['EXPRPT', 'USER'] })).toContain('- Missing scopes: EXPRPT USER');
    expect(detailsOf({ missingScopes: [] })).not.toContain('scopes');
  });
});

describe('the details of an app’s guardian', () => {
  const idle = { app: 'demo', troubles: [], brakes: [], waiting: [], restored: 0 };

  it('say what is refused, who waits, and what to do', () => {
    const trouble = {
      data_center: 'us2',
      reason: 'client-secret-wrong',
      concur_code: 64,
      since: '2026-11-21T14:39:48.796Z',
      probes: 1,
      next_probe_at: '2026-11-21T14:40:50.080Z',
    };
    const waiting = [{ data_center: 'us2', waits_for: 'credentials' as const, count: 2 }];
    const details = buildGuardianDetails({ ...idle, troubles: [trouble], brakes: ['eu2'], waiting });
    expect(details).toContain('client-secret-wrong, Concur code 64; probes so far: 1');
    expect(details).toContain('- 2 connections in us2 wait (credentials)');
    expect(details).toContain('`evergrant apps secret-add demo`');
    expect(details).toContain('`evergrant apps release demo`');
  });

  it('say so when nothing is to be done', () => {
    expect(buildGuardianDetails(idle).split('\n').at(-1)).toMatch(/^Nothing to do/);
  });
});

describe('the details of a connect without a principal', () => {
  const input = { app: 'demo', sessionId: 's1', dataCentre: 'us2' };
  const trouble = { code: 'provider-unavailable', concurCode: 134, correlationId: 'c-1' };

  it('say that it goes on, when, and why it has not come further', () => {
    expect(buildUnidentifiedDetails(input, { is: 'under-way' })).toContain('- State: **under way**');
    const details = buildUnidentifiedDetails(input, { is: 'waiting', untilMs: NOW_MS, trouble });
    expect(details).toContain(`- State: **waiting**, tried again at ${new Date(NOW_MS).toISOString()}`);
    expect(details).toContain('- Last error: provider-unavailable, Concur code 134, correlation id c-1');
  });

  it('say at its end where it has led', () => {
    const over = (principal: string | null) =>
      buildUnidentifiedDetails(input, { is: 'over', principal, trouble: undefined });
    expect(over('p1')).toContain('**handed over** to concur-connection:demo:p1');
    expect(over(null)).toContain('**failed**');
  });
});
