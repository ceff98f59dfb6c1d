import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, inject, it } from 'vitest';
import type { RunningStack } from '../../dev/stack/running-file.ts';
import { createSandbox } from '../../dev/sandbox/sandbox.ts';
import { createEmptyDatabase } from '../rig/test-database.ts';
import { createStackPlace, processesOf, stackScripts, startStackProcess } from '../rig/stack-process.ts';
import type { StackPlace, StackProcess } from '../rig/stack-process.ts';

const LONGEST_END_MS = 15_000;
const script = stackScripts.fixture;

/** Of the test at hand: several run side by side, as they mostly wait. */
type CleanUp = (work: () => Promise<void>) => void;

async function newPlace(onTestFinished: CleanUp): Promise<StackPlace> {
  const place = await createStackPlace();
  onTestFinished(() => place.remove());
  return place;
}

function start(place: StackPlace, env: Record<string, string> = {}): StackProcess {
  return startStackProcess({ place, script, env: { FIXTURE_JOURNAL: join(place.home, 'journal'), ...env } });
}

async function journalOf(place: StackPlace): Promise<readonly string[]> {
  return (await readFile(join(place.home, 'journal'), 'utf8')).trim().split('\n');
}

async function modeOf(place: StackPlace, name: string): Promise<number> {
  return (await stat(join(place.home, name))).mode & 0o777;
}

async function until(isTrue: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const deadlineMs = Date.now() + 20_000;
  while (!(await isTrue())) {
    if (Date.now() > deadlineMs) throw new Error(`waited in vain until ${what}`);
    await pause(50);
  }
}

async function untilNothingIsLeft(place: StackPlace): Promise<void> {
  await until(async () => (await processesOf(place.home)).length === 0, 'nothing was left of the stack');
}

/** The command that the launcher printed, run by a shell as it stands there. */
async function runPrintedCurl(stack: StackProcess): Promise<string> {
  const command = stack
    .output()
    .split('\n')
    .find((line) => line.trim().startsWith('curl '));
  return (await promisify(execFile)('sh', ['-c', command ?? 'no curl was printed'])).stdout;
}

describe.concurrent('npm start', { timeout: 120_000 }, () => {
  it('brings everything up, ends it in order, and finds its data again', async ({ onTestFinished }) => {
    const place = await newPlace(onTestFinished);
    const first = start(place);
    const running = await first.up();
    expect(Object.keys(running.pids).sort()).toEqual(['api', 'postgres', 'sandbox', 'temporal', 'worker']);
    expect(running).toMatchObject({ pid: first.child.pid, apiUrl: `http://localhost:${place.env.PORT}` });
    for (const part of ['PostgreSQL', 'Temporal', 'Concur sandbox', 'Worker', 'API']) {
      expect(first.output().match(new RegExp(`^${part} `, 'gm'))).toHaveLength(1);
    }
    for (const name of ['running.json', 'dev-token', 'keks', 'apps.json', 'ports.json', 'postgres/passwords.json']) {
      expect([name, await modeOf(place, name)]).toEqual([name, 0o600]);
    }
    expect(await runPrintedCurl(first)).toBe('api\n');
    expect((await fetch(`${running.temporalUiUrl}/`)).status).toBe(200);
    expect((await fetch(`${running.sandboxUrl}/`)).status).toBe(200);
    expect(first.output()).toContain('[worker] warn: worker warns');
    expect(first.output()).not.toContain('worker informs');

    const askedAtMs = Date.now();
    expect(await first.end('SIGTERM')).toBe(0);
    expect(Date.now() - askedAtMs).toBeLessThan(LONGEST_END_MS);
    expect(await processesOf(place.home)).toEqual([]);
    expect(await journalOf(place)).toEqual(
      expect.arrayContaining(['api up', 'worker up', 'api ended by SIGTERM', 'worker ended by SIGTERM']),
    );
    expect((await journalOf(place)).slice(-2)).toEqual(['api ended by SIGTERM', 'worker ended by SIGTERM']);
    await expect(stat(join(place.home, 'running.json'))).rejects.toMatchObject({ code: 'ENOENT' });

    const kept = await Promise.all(['keks', 'dev-token', 'ports.json'].map((name) => readFile(join(place.home, name))));
    const second = start(place);
    expect(await second.up()).toMatchObject({ databaseUrl: running.databaseUrl, sandboxUrl: running.sandboxUrl });
    expect(second.output()).not.toContain('Migrations');
    expect(
      await Promise.all(['keks', 'dev-token', 'ports.json'].map((name) => readFile(join(place.home, name)))),
    ).toEqual(kept);
    expect(await second.end('SIGINT')).toBe(0);
  });

  it('says what is in the way of a second start, and ends in time although a part does not want to', async ({
    onTestFinished,
  }) => {
    const place = await newPlace(onTestFinished);
    const running = start(place, { FIXTURE_STUBBORN: 'worker' });
    await running.up();

    const again = start(place);
    expect(await again.ended()).toBe(1);
    expect(again.output()).toMatch(/is running in .* already \(process \d+, http:.*EVERGRANT_HOME/s);

    const other = await newPlace(onTestFinished);
    const { PORT = '', TEMPORAL_UI_PORT = '', SANDBOX_PORT = '' } = place.env;
    const beside = start(other, { PORT, TEMPORAL_UI_PORT, SANDBOX_PORT });
    expect(await beside.ended()).toBe(1);
    for (const name of ['PORT', 'TEMPORAL_UI_PORT', 'SANDBOX_PORT']) {
      expect(beside.output()).toContain(`${name}: port ${place.env[name]} of 127.0.0.1 is taken; set ${name}`);
    }
    const askedAtMs = Date.now();
    expect(await running.end()).toBe(0);
    expect(Date.now() - askedAtMs).toBeLessThan(LONGEST_END_MS);
    expect(await processesOf(place.home)).toEqual([]);
  });

  it('reports the death of a part with its last lines and ends the rest', async ({ onTestFinished }) => {
    const place = await newPlace(onTestFinished);
    const stack = start(place);
    const { pids } = await stack.up();
    process.kill(pids.worker ?? 0, 'SIGKILL');
    expect(await stack.ended()).toBe(1);
    expect(stack.output()).toContain('Worker ended (signal SIGKILL). Its last lines:');
    const reported = stack
      .output()
      .split('\n')
      .filter((line) => line.startsWith('  | '));
    expect(reported).toHaveLength(20);
    expect(reported.at(-1)).toContain('worker informs');
    expect(await processesOf(place.home)).toEqual([]);
  });

  it('leaves nothing behind when the launcher is killed, and starts again at once', async ({ onTestFinished }) => {
    const place = await newPlace(onTestFinished);
    const stack = start(place, { FIXTURE_STUBBORN: 'worker' });
    await stack.up();
    expect(await stack.end('SIGKILL')).toBe('SIGKILL');
    const next = start(place);
    await next.up();
    expect(await next.end()).toBe(0);
    await untilNothingIsLeft(place);
    expect(await journalOf(place)).toContain('api ended by disconnect');
  });

  it("ends by a terminal's Ctrl-C, however often and however early it comes", async ({ onTestFinished }) => {
    const place = await newPlace(onTestFinished);
    for (const sign of ['Concur sandbox', '[api] warn']) {
      const stack = start(place, { FIXTURE_SLOW: 'api' });
      await until(() => stack.output().includes(sign), `${sign} was printed`);
      const group = -(stack.child.pid ?? 0);
      process.kill(group, 'SIGINT');
      process.kill(group, 'SIGINT');
      expect(await stack.ended()).toBe(0);
      expect(await processesOf(place.home)).toEqual([]);
    }
  });

  // Once another part ended first, on a busy machine; what was printed then was not kept.
  it('passes on that a part refuses its configuration', { retry: 1 }, async ({ onTestFinished }) => {
    const place = await newPlace(onTestFinished);
    const stack = start(place, { FIXTURE_REFUSES: 'api' });
    const code = await stack.ended();
    expect(code, stack.output()).toBe(78);
    expect(stack.output()).toContain('The configuration is wrong: FIXTURE_REFUSES');
    expect(await processesOf(place.home)).toEqual([]);
  });

  it('refuses wrong values in one message, before anything is started', async ({ onTestFinished }) => {
    const place = await newPlace(onTestFinished);
    const stack = start(place, { PORT: 'many', JITTER: '7' });
    expect(await stack.ended()).toBe(78);
    expect(stack.output()).toMatch(/2 values.*PORT: .*JITTER: /s);
    expect(stack.output()).not.toContain('PostgreSQL');
  });

  it('leaves out what is given by its address', async ({ onTestFinished }) => {
    const place = await newPlace(onTestFinished);
    const database = await createEmptyDatabase();
    onTestFinished(() => database.drop());
    const sandbox = await createSandbox({ seed: 'demo' });
    onTestFinished(() => sandbox.close());
    const stack = start(place, {
      DATABASE_URL: database.ownerUrl,
      TEMPORAL_ADDRESS: inject('temporal').address,
      CONCUR_BASE_URIS: JSON.stringify(sandbox.baseUris),
    });
    const running: RunningStack = await stack.up();
    expect(Object.keys(running.pids).sort()).toEqual(['api', 'worker']);
    expect(running).toMatchObject({
      databaseUrl: database.ownerUrl,
      temporalAddress: inject('temporal').address,
      temporalUiUrl: null,
      sandboxUrl: null,
    });
    expect(await stack.end()).toBe(0);
  });

  it('says what it tried when the database that it was given is not there', async ({ onTestFinished }) => {
    const place = await newPlace(onTestFinished);
    const nobody = createServer();
    await new Promise<void>((resolve) => nobody.listen(0, '127.0.0.1', resolve));
    const { port } = nobody.address() as { readonly port: number };
    await new Promise((resolve) => nobody.close(resolve));
    const stack = start(place, { DATABASE_URL: `postgres://user:pass-word@127.0.0.1:${port}/none` });
    expect(await stack.ended()).not.toBe(0);
    expect(stack.output()).toMatch(/database/i);
    expect(stack.output()).not.toContain('pass-word');
    expect(await processesOf(place.home)).toEqual([]);
  });
});
