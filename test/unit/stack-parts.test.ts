import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildAppsFile, buildSandboxApps, demoApps } from '../../dev/stack/demo-apps.ts';
import { ensureKeks } from '../../dev/stack/development-keys.ts';
import { Guardian } from '../../dev/stack/guardian.ts';
import { buildLinks } from '../../dev/stack/links.ts';
import { formatLogLine } from '../../dev/stack/log-line.ts';
import { Part, PartFailedError } from '../../dev/stack/part.ts';
import { tryLock, withLock } from '../../dev/stack/pid-lock.ts';
import { freePort } from '../../dev/stack/ports.ts';
import { isAlive } from '../../dev/stack/process-table.ts';
import { RememberedPorts } from '../../dev/stack/remembered-ports.ts';
import { readRunning, writeRunning } from '../../dev/stack/running-file.ts';
import { createEnvironment } from '../../runtime/environment.ts';
import { parseApps } from '../../runtime/apps-file.ts';
import { keks } from '../../runtime/keks.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'evergrant-stack-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function nodePart(script: string, graceMs = 5_000): Part {
  return new Part({ name: 'Part', command: process.execPath, args: ['-e', script], graceMs });
}

/** The id of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '0']).pid;
}

describe('a part', () => {
  it('tells what it says, also to those who ask late', async () => {
    const part = nodePart(`console.log('one\\ntwo'); setInterval(() => {}, 1000)`);
    const two = (line: string): string | null => (line === 'two' ? line : null);
    expect(await part.says(two, 5_000)).toBe('two');
    expect(await part.says(two, 5_000)).toBe('two');
    await part.stop();
    expect(isAlive(part.pid)).toBe(false);
  });

  it('fails with its exit code and its last twenty lines', async () => {
    const part = nodePart(
      `for (let i = 1; i <= 25; i++) console.log('line ' + i); console.error('why'); process.exitCode = 3`,
    );
    const error = await part.says(() => null, 5_000).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PartFailedError);
    expect(error).toMatchObject({ message: 'Part ended (exit code 3)', end: { code: 3, signal: null } });
    expect((error as PartFailedError).lastLines).toHaveLength(20);
    expect((error as PartFailedError).lastLines).toContain('line 25');
  });

  it('fails with a reason when there is no such program', async () => {
    const part = new Part({ name: 'Part', command: join(folder, 'none'), args: [], graceMs: 100 });
    await expect(part.says(() => null, 5_000)).rejects.toMatchObject({
      lastLines: [expect.stringContaining('ENOENT')],
    });
    await part.stop();
  });

  it('is given up when it does not come up in time, and killed when it does not end', async () => {
    const part = nodePart(`process.on('SIGTERM', () => {}); console.log('deaf'); setInterval(() => {}, 1000)`, 200);
    await part.says((line) => line === 'deaf' || null, 5_000);
    await expect(part.says(() => null, 50)).rejects.toThrow('Part was not up after 0.05 s');
    await part.stop();
    expect(await part.ended).toEqual({ code: null, signal: 'SIGKILL' });
  });
});

describe('the guardian', () => {
  it('ends, in order, what its launcher left behind, and removes what must not stay', async () => {
    const journal = join(folder, 'journal');
    const script = (name: string): string =>
      `process.on('SIGTERM', () => { require('fs').appendFileSync(${JSON.stringify(journal)}, '${name} '); process.exit() });
       console.log('up'); setInterval(() => {}, 1000)`;
    const [first, second] = [nodePart(script('first')), nodePart(script('second'))];
    await Promise.all([first, second].map((part) => part.says((line) => line === 'up' || null, 5_000)));
    const leftover = join(folder, 'leftover');
    await writeFile(leftover, '');
    const guardian = new Guardian();
    guardian.guard(second, { graceMs: 5_000 }, 1);
    guardian.guard(first, { graceMs: 5_000 }, 2);
    guardian.removeAtEnd(leftover);
    await guardian.close();
    await Promise.all([first.ended, second.ended]);
    expect(await readFile(journal, 'utf8')).toBe('first second ');
    await expect(stat(leftover)).rejects.toMatchObject({ code: 'ENOENT' });
    await Promise.all([first.stop(), second.stop()]);
  });
});

describe('a lock', () => {
  it('is held by one at a time', async () => {
    const path = join(folder, 'lock');
    const lock = await tryLock(path);
    expect(await tryLock(path)).toEqual({ holder: process.pid });
    if ('release' in lock) await lock.release();
    expect(await readdir(folder)).toEqual([]);
    let inside = 0;
    const work = async (): Promise<void> => {
      expect((inside += 1)).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      inside -= 1;
    };
    await Promise.all([withLock(path, work), withLock(path, work), withLock(path, work)]);
  });

  it('is taken over from a holder that has died, or whose id is somebody else by now', async () => {
    const path = join(folder, 'lock');
    for (const holder of [`${deadPid()}\nnode gone\n`, `${process.pid}\nanother program\n`, '']) {
      await writeFile(path, holder);
      const lock = await tryLock(path);
      expect(lock).toHaveProperty('release');
      if ('release' in lock) await lock.release();
    }
  });
});

describe('remembered ports', () => {
  it('are the ones of last time, unless they are taken', async () => {
    const path = join(folder, 'ports.json');
    const first = await RememberedPorts.load(path);
    const wanted = await freePort();
    expect(await first.choose('sandbox', [wanted])).toBe(wanted);
    const postgres = await first.choose('postgres');
    await first.save();

    const second = await RememberedPorts.load(path);
    expect(second.known('sandbox')).toBe(wanted);
    expect(await second.choose('sandbox', [1])).toBe(wanted);
    expect(await second.choose('postgres')).toBe(postgres);

    const squatter = createServer().listen(postgres, '127.0.0.1');
    await new Promise((resolve) => squatter.once('listening', resolve));
    expect((squatter.address() as AddressInfo).port).toBe(postgres);
    expect(await second.choose('postgres')).not.toBe(postgres);
    await new Promise((resolve) => squatter.close(resolve));
  });
});

describe('running.json', () => {
  it('counts only while its launcher lives', async () => {
    const running = {
      pid: process.pid,
      pids: {},
      apiUrl: 'http://localhost:8080',
      temporalAddress: '127.0.0.1:7233',
      temporalUiUrl: null,
      databaseUrl: 'postgres://x@127.0.0.1/x',
      sandboxUrl: null,
      environment: {},
    };
    expect(await readRunning(folder)).toBeNull();
    await writeRunning(folder, running);
    expect(await readRunning(folder)).toEqual(running);
    expect((await stat(join(folder, 'running.json'))).mode & 0o777).toBe(0o600);
    await writeRunning(folder, { ...running, pid: deadPid() });
    expect(await readRunning(folder)).toBeNull();
  });
});

describe('what a development stack makes for itself', () => {
  it('keys: once, for nobody else, in the form that the configuration reads', async () => {
    const path = join(folder, 'keks');
    await ensureKeks(path);
    const text = await readFile(path, 'utf8');
    await ensureKeks(path);
    expect(await readFile(path, 'utf8')).toBe(text);
    expect(keks.safeParse(text.trim()).success).toBe(true);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('an apps file that the configuration takes, one app per landing mode, known to the sandbox', () => {
    const env = createEnvironment({});
    const text = buildAppsFile({ sandboxUrl: 'http://127.0.0.1:9400' });
    const apps = parseApps(text, { env, development: true, folder });
    expect(env.problems()).toEqual([]);
    expect(new Set(apps.map(({ app }) => app.landing.mode))).toEqual(
      new Set(['confirm', 'sign-in', 'verification-code']),
    );
    expect(apps.map(({ app }) => [app.flow, app.principal])).toContainEqual(['app-center-legacy', 'user']);
    const onFile = JSON.parse(buildSandboxApps({ publicUrl: 'http://localhost:8080' })) as readonly object[];
    expect(onFile).toEqual(
      demoApps.map(({ app, clientId, clientSecret }) =>
        expect.objectContaining({ clientId, clientSecret, connectUri: `http://localhost:8080/connect/${app}` }),
      ),
    );
  });

  it('a command that can be pasted, also from a home with a blank and a quote in its path', () => {
    const links = {
      seconds: '3.0',
      apiUrl: 'http://localhost:8080',
      opsUrl: 'http://localhost:8080',
      temporalAddress: '127.0.0.1:7233',
      temporalUiUrl: 'http://127.0.0.1:8233',
      namespace: 'default',
      sandboxUrl: 'http://127.0.0.1:9400',
      hasDemoApps: true,
      hasToken: true,
    };
    expect(buildLinks({ ...links, home: join(process.cwd(), '.evergrant') })).toContain('$(cat .evergrant/dev-token)');
    const awkward = buildLinks({ ...links, home: "/tmp/a b/it's" });
    const file = /\$\(cat (.*)\)"/.exec(awkward)?.[1] ?? '';
    expect(spawnSync('sh', ['-c', `printf %s ${file}`], { encoding: 'utf8' }).stdout).toBe("/tmp/a b/it's/dev-token");
    expect(buildLinks({ ...links, home: '/x', hasToken: false })).not.toContain('curl');
  });
});

describe('a log line on the terminal', () => {
  it('is shown from its level on, as a person reads it', () => {
    const line = JSON.stringify({ level: 'warn', time: 1, name: 'api', pid: 1, msg: 'slow', ms: 5 });
    expect(formatLogLine('api', line, 'warn')).toBe('[api] warn: slow {"ms":5}');
    expect(formatLogLine('api', line, 'error')).toBeNull();
    expect(formatLogLine('api', 'no JSON', 'trace')).toBeNull();
    expect(formatLogLine('api', '{"half', 'trace')).toBeNull();
  });
});
