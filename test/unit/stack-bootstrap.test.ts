import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const bootstrap = fileURLToPath(new URL('../../dev/bootstrap.mjs', import.meta.url));

type Packages = Record<string, object>;

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'evergrant-bootstrap-'));
  await mkdir(join(root, 'bin'));
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

/** A checkout with this lock file, and what is installed in it (null: nothing). */
async function checkout(wanted: Packages, installed: Packages | null): Promise<void> {
  await writeFile(
    join(root, 'package-lock.json'),
    JSON.stringify({ packages: { '': { dependencies: { a: '1' } }, ...wanted } }),
  );
  if (installed === null) return;
  await mkdir(join(root, 'node_modules', 'a'), { recursive: true });
  await writeFile(join(root, 'node_modules', 'a', 'package.json'), '{}');
  await writeFile(join(root, 'node_modules', '.package-lock.json'), JSON.stringify({ packages: installed }));
}

/** Runs it with an npm that only notes how it was called. */
async function run(
  npmExitCode = 0,
): Promise<{ readonly status: number | null; readonly stderr: string; readonly npm: string }> {
  const npm = join(root, 'bin', 'npm');
  await writeFile(npm, `#!/bin/sh\necho "$@" >> "${root}/npm-calls"\nexit ${npmExitCode}\n`);
  await chmod(npm, 0o755);
  const { status, stderr } = spawnSync(process.execPath, [bootstrap, root], {
    encoding: 'utf8',
    env: { PATH: `${join(root, 'bin')}:${process.env.PATH}`, TMPDIR: root },
  });
  const calls = join(root, 'npm-calls');
  return { status, stderr, npm: existsSync(calls) ? (await readFile(calls, 'utf8')).trim() : '' };
}

describe('the bootstrap', () => {
  it('does nothing, and says nothing, when everything is installed', async () => {
    await checkout({ 'node_modules/a': { version: '1.0.0' } }, { 'node_modules/a': { version: '1.0.0' } });
    expect(await run()).toEqual({ status: 0, stderr: '', npm: '' });
  });

  it('installs from the lock file when nothing is installed', async () => {
    await checkout({ 'node_modules/a': { version: '1.0.0' } }, null);
    const { status, stderr, npm } = await run();
    expect(status).toBe(0);
    expect(stderr).toContain('Installing the npm dependencies (there are none yet)');
    expect(npm).toMatch(/^ci .*--include=dev/);
  });

  it.each([
    [
      'a package is missing',
      { 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '1.0.0' } },
      'b is missing',
    ],
    ['a package has another version', { 'node_modules/a': { version: '2.0.0' } }, 'a is 1.0.0, not 2.0.0'],
  ])('installs when %s', async (_what, wanted, reason) => {
    await checkout(wanted, { 'node_modules/a': { version: '1.0.0' } });
    const { stderr, npm } = await run();
    expect(stderr).toContain(reason);
    expect(npm).toMatch(/^ci /);
  });

  it("installs when what is there is for somebody else's machine", async () => {
    const foreign = { version: '1.0.0', os: ['aix'] };
    await checkout({ 'node_modules/a': { version: '1.0.0' } }, { 'node_modules/a': foreign });
    expect((await run()).stderr).toContain('a is for another platform');
  });

  it('installs when the folder of a package was deleted', async () => {
    await checkout({ 'node_modules/a': { version: '1.0.0' } }, { 'node_modules/a': { version: '1.0.0' } });
    await rm(join(root, 'node_modules', 'a'), { recursive: true });
    expect((await run()).stderr).toContain('a is missing');
  });

  it('does not miss what is optional and for other platforms', async () => {
    const optional = { version: '1.0.0', optional: true, os: ['aix'] };
    await checkout(
      { 'node_modules/a': { version: '1.0.0' }, 'node_modules/only-aix': optional },
      { 'node_modules/a': { version: '1.0.0' } },
    );
    expect((await run()).npm).toBe('');
  });

  it('says that the installation failed, and fails', async () => {
    await checkout({ 'node_modules/a': { version: '1.0.0' } }, null);
    const { status, stderr } = await run(7);
    expect(status).toBe(1);
    expect(stderr).toContain('could not be installed');
  });

  it('takes over the lock of an installation that was killed', async () => {
    await checkout({ 'node_modules/a': { version: '1.0.0' } }, null);
    const { createHash } = await import('node:crypto');
    const name = `evergrant-install-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`;
    await mkdir(join(root, name));
    const { pid } = spawnSync(process.execPath, ['-e', '0']);
    await writeFile(join(root, name, 'pid'), String(pid));
    expect((await run()).npm).toMatch(/^ci /);
    expect(existsSync(join(root, name))).toBe(false);
  });
});
