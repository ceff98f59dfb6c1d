import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cacheFolder } from '../../dev/stack/cache-folder.ts';
import { TEMPORAL_CLI_VERSION, resolveTemporalCli } from '../../dev/stack/temporal-cli.ts';
import { resolvePromtool } from '../../dev/stack/promtool.ts';
import { TEST_SERVER_VERSION, resolveTestServer } from '../../dev/stack/test-server.ts';

let root: string;
let env: Record<string, string>;
const reported: string[] = [];
const report = (line: string): void => void reported.push(line);

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'evergrant-programs-'));
  await mkdir(join(root, 'bin'));
  // Nobody listens there: the SDK's download fails at once, on machines with a network too.
  const nowhere = 'http://127.0.0.1:9';
  env = { PATH: join(root, 'bin'), XDG_CACHE_HOME: join(root, 'cache'), HOME: root, HTTPS_PROXY: nowhere };
  reported.length = 0;
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

async function program(path: string, script: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

const cachedCli = (): string => join(cacheFolder(env), `temporal-cli-${TEMPORAL_CLI_VERSION}`, 'temporal');

/** A Go toolchain that writes a program instead of building one. */
async function fakeGo(
  script = 'printf "#!/bin/sh\\nexit 0\\n" > "$GOBIN/temporal"; /bin/chmod +x "$GOBIN/temporal"',
): Promise<void> {
  await program(
    join(root, 'bin', 'go'),
    `[ "$1" = version ] && exit 0\necho "go: downloading something" >&2\n${script}`,
  );
}

describe('the folder of the cache', () => {
  it("is below XDG_CACHE_HOME, else below the home's .cache", () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/x' })).toBe('/x/evergrant');
    expect(cacheFolder({ XDG_CACHE_HOME: '' })).toMatch(/\/\.cache\/evergrant$/);
  });
});

describe('where Temporal comes from', { timeout: 60_000 }, () => {
  it('is TEMPORAL_CLI_PATH first, then PATH, then the cache', async () => {
    const given = await program(join(root, 'given'), 'exit 0');
    const onPath = await program(join(root, 'bin', 'temporal'), 'exit 0');
    const cached = await program(cachedCli(), 'exit 0');
    expect(await resolveTemporalCli({ env: { ...env, TEMPORAL_CLI_PATH: given }, report })).toBe(given);
    expect(await resolveTemporalCli({ env, report })).toBe(onPath);
    await rm(onPath);
    expect(await resolveTemporalCli({ env, report })).toBe(cached);
    expect(reported).toEqual([]);
  });

  it('is not a program that does not run, and says so of one that was named', async () => {
    const broken = await program(join(root, 'broken'), 'echo "no such machine" >&2; exit 1');
    await program(join(root, 'bin', 'temporal'), 'exit 1');
    const cached = await program(cachedCli(), 'exit 0');
    expect(await resolveTemporalCli({ env: { ...env, TEMPORAL_CLI_PATH: broken }, report })).toBe(cached);
    expect(reported.join('\n')).toMatch(/broken --version failed: no such machine; looking elsewhere/);
  });

  it('is built with Go into the cache, once, whoever asks at the same time', async () => {
    await fakeGo();
    const paths = await Promise.all([1, 2].map(() => resolveTemporalCli({ env, report })));
    expect(paths).toEqual([cachedCli(), cachedCli()]);
    expect(reported.filter((line) => line.includes('building it with Go'))).toHaveLength(1);
    expect(await readdir(dirname(cachedCli()))).toEqual(['temporal']);
    expect(await readdir(cacheFolder(env))).toEqual([`temporal-cli-${TEMPORAL_CLI_VERSION}`]);
  });

  it('is told with every place that was looked at when there is none', async () => {
    await fakeGo('echo "no space left" >&2; exit 1');
    const error = await resolveTemporalCli({ env, report }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    const { message } = error as Error;
    const places = ['TEMPORAL_ADDRESS', 'TEMPORAL_CLI_PATH', 'temporal on PATH', 'the cache', "the SDK's download"];
    for (const place of [...places, 'go install github.com/temporalio/cli/cmd/temporal@v1.5.1', 'no space left']) {
      expect(message).toContain(place);
    }
    expect(await readdir(cacheFolder(env))).toEqual([`temporal-cli-${TEMPORAL_CLI_VERSION}`]);
  });

  it('can be given up while it is being built', async () => {
    await fakeGo('exec /bin/sleep 600');
    const stop = new AbortController();
    const building = resolveTemporalCli({
      env,
      report: (line) => line.includes('building') && stop.abort(),
      signal: stop.signal,
    });
    await expect(building).rejects.toThrow(/abort/i);
  });
});

describe('where the time-skipping server comes from', () => {
  it('is TEMPORAL_TEST_SERVER_PATH first, then the cache', async () => {
    const given = await program(join(root, 'given'), 'exit 0');
    const folder = join(cacheFolder(env), `temporal-test-server-${TEST_SERVER_VERSION}`);
    const cached = await program(join(folder, 'temporal-test-server'), 'exit 0');
    expect(await resolveTestServer({ env: { ...env, TEMPORAL_TEST_SERVER_PATH: given }, report })).toBe(given);
    expect(await resolveTestServer({ env, report })).toBe(cached);
  });
});

describe("where Prometheus' checker comes from", () => {
  const cached = (): string => join(cacheFolder(env), 'promtool', 'promtool');

  it('is PROMTOOL_PATH first, then PATH, then the cache', async () => {
    const given = await program(join(root, 'given'), 'exit 0');
    const onPath = await program(join(root, 'bin', 'promtool'), 'exit 0');
    await program(cached(), 'exit 0');
    expect(await resolvePromtool({ env: { ...env, PROMTOOL_PATH: given }, report })).toBe(given);
    expect(await resolvePromtool({ env, report })).toBe(onPath);
    await rm(onPath);
    expect(await resolvePromtool({ env, report })).toBe(cached());
    expect(reported).toEqual([]);
  });

  it("is unpacked into the cache from the distribution's package, once, whoever asks at the same time", async () => {
    await program(join(root, 'bin', 'apt-get'), 'printf package > prometheus_2.42.0_amd64.deb');
    const inPackage = 'printf "#!/bin/sh\\nexit 0\\n" > usr/bin/promtool';
    await program(join(root, 'bin', 'dpkg-deb'), `[ -f "$2" ] && /bin/mkdir -p usr/bin && ${inPackage}`);
    const paths = await Promise.all([1, 2].map(() => resolvePromtool({ env, report })));
    expect(paths).toEqual([cached(), cached()]);
    expect(reported.filter((line) => line.includes('downloading'))).toHaveLength(1);
    expect(await readdir(dirname(cached()))).toEqual(['promtool']);
  });

  it('is told with every place that was looked at when there is none', async () => {
    await program(join(root, 'bin', 'apt-get'), 'echo "no package prometheus" >&2; exit 100');
    const error = await resolvePromtool({ env, report }).catch((thrown: unknown) => thrown);
    for (const place of ['PROMTOOL_PATH', 'promtool on PATH', 'the cache', 'no package prometheus'])
      expect(String(error)).toContain(place);
    expect(await readdir(dirname(cached()))).toEqual([]);
  });
});
