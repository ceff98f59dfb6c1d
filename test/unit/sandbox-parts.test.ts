import { describe, expect, it } from 'vitest';
import { CallLog } from '../../dev/sandbox/call-log.ts';
import { SandboxConfigProblem, parseSandboxConfig } from '../../dev/sandbox/config.ts';
import { parseDuration } from '../../dev/sandbox/duration.ts';
import { FaultRegistry } from '../../dev/sandbox/fault-registry.ts';
import type { FaultableCall } from '../../dev/sandbox/fault-registry.ts';
import { mask } from '../../dev/sandbox/mask.ts';
import { html } from '../../dev/sandbox/pages/html.ts';

const call: FaultableCall = {
  endpoint: 'token',
  dataCentre: 'us2',
  grantType: 'refresh_token',
  clientId: 'c',
  principalId: 'user',
  companyId: 'company',
};

describe('durations', () => {
  it('are a whole number and a unit', () => {
    expect(['500ms', '90s', '5m', '24h', '30d'].map(parseDuration)).toEqual([
      500, 90_000, 300_000, 86_400_000, 2_592_000_000,
    ]);
    expect(['', '5', 's', '1.5h', '-1s', '1w', '1 h'].map(parseDuration)).toEqual(Array(7).fill(undefined));
  });
});

describe('the configuration', () => {
  it('has the documented defaults', () => {
    expect(parseSandboxConfig({})).toMatchObject({
      port: 9400,
      host: '127.0.0.1',
      accessTokenTtlMs: 3_600_000,
      refreshTokenTtlMs: 180 * 86_400_000,
      rotation: 'same',
      stateFile: undefined,
      publicUrl: undefined,
    });
  });

  it('puts apps and their connect URIs together by client id', () => {
    const { apps } = parseSandboxConfig({
      SANDBOX_APPS:
        '[{"app":"demo","clientId":"c1","clientSecret":"s1"},{"clientId":"c2","clientSecret":"s2","name":"Two"}]',
      SANDBOX_CONNECT_URIS: '[{"app":"demo","clientId":"c1","connectUri":"http://localhost:8080/connect/demo"}]',
    });
    expect(apps).toEqual([
      { clientId: 'c1', clientSecret: 's1', name: 'demo', connectUri: 'http://localhost:8080/connect/demo' },
      { clientId: 'c2', clientSecret: 's2', name: 'Two' },
    ]);
  });

  it('names every wrong value at once', () => {
    const wrong = { SANDBOX_PORT: '70000', SANDBOX_ROTATION: 'x', SANDBOX_PUBLIC_URL: 'ftp://x', SANDBOX_APPS: '{}' };
    expect(() => parseSandboxConfig(wrong)).toThrow(SandboxConfigProblem);
    for (const name of Object.keys(wrong)) expect(() => parseSandboxConfig(wrong)).toThrow(name);
  });
});

describe('the registry of faults', () => {
  it('adds waits and alterations up, and takes one outcome a call', () => {
    const faults = new FaultRegistry();
    faults.add({ kind: 'delay', ms: 5 });
    faults.add({ kind: 'without-id-token' });
    faults.add({ kind: 'process-then-drop' });
    faults.add({ kind: 'html-503' });
    faults.add({ kind: 'delay', ms: 7, when: 'before' });
    const first = faults.take(call);
    expect(first.kinds).toEqual(['delay', 'without-id-token', 'process-then-drop', 'delay']);
    expect(first.outcome?.kind).toBe('process-then-drop');
    expect([first.before, first.after]).toMatchObject([[{ ms: 7 }], [{ ms: 5 }]]);
    expect(faults.take(call).outcome?.kind).toBe('html-503');
    expect(faults.take(call)).toEqual({ kinds: [], before: [], outcome: null, alterations: [], after: [] });
  });

  it('matches a company through its users', () => {
    const faults = new FaultRegistry();
    faults.add({ kind: 'drop', match: { principalId: 'other' } });
    expect(faults.take(call).outcome).toBeNull();
    faults.add({ kind: 'drop', match: { principalId: 'COMPANY' } });
    expect(faults.take(call).outcome?.kind).toBe('drop');
  });

  it('tells when a fault has hit, and complains when it does not', async () => {
    const faults = new FaultRegistry();
    const fault = faults.add({ kind: 'drop', times: 'always' });
    const hit = fault.waitForHits(2);
    faults.take(call);
    faults.take(call);
    await hit;
    await expect(fault.waitForHits(3, 10)).rejects.toThrow(/2 of 3/);
  });
});

describe('the log of calls', () => {
  const { endpoint, dataCentre, ...subject } = call;
  const begin = (log: CallLog) => log.begin({ ...subject, endpoint, dataCentre, correlationId: 'x', faults: [] });

  it('counts how many calls were under way at the same time', () => {
    const log = new CallLog({ limit: 10, now: () => 0 });
    const [first, second] = [begin(log), begin(log)];
    log.end(first, {});
    const third = begin(log);
    expect(log.mostAtOnce()).toBe(2);
    log.end(second, {});
    log.end(third, {});
    expect(log.mostAtOnce()).toBe(2);
    expect(log.mostAtOnce({ after: second.id })).toBe(1);
    expect(log.mostAtOnce({ endpoint: 'jwks' })).toBe(0);
  });

  it('keeps the last calls only', () => {
    const log = new CallLog({ limit: 100, now: () => 0 });
    for (let time = 0; time < 1_000; time += 1) log.end(begin(log), {});
    expect(log.many().length).toBeLessThanOrEqual(110);
    expect(log.many().at(-1)?.id).toBe(1_000);
  });

  it('complains when the calls that somebody waits for do not come', async () => {
    const log = new CallLog({ limit: 10, now: () => 0 });
    await expect(log.waitFor({ endpoint: 'revoke' }, 1, 10)).rejects.toThrow(/0 of 1.*revoke/);
  });
});

it('a mask shows the ends of a long secret and nothing of a short one', () => {
  expect(mask('3f2a1111222233334444555566667777aaaa91bc')).toBe('3f2a…91bc');
  expect(mask('short')).toBe('…');
});

it('templates escape what is put into them', () => {
  const name = `<b>"&'`;
  expect(html`<p title="${name}">${[name, html`<i>${1}</i>`, null, false]}</p>`.text).toBe(
    '<p title="&lt;b&gt;&quot;&amp;&#39;">&lt;b&gt;&quot;&amp;&#39;<i>1</i></p>',
  );
});
