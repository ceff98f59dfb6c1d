/** What the images are made of: the build, the programs in it, and how the Dockerfile runs them. */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDockerfile } from '../../dev/check/dockerfile.ts';
import { type BuiltProduct, buildProduct } from '../rig/built-product.ts';
import { root } from './planted-house.ts';

const EX_CONFIG = 78;
const dockerfile = readDockerfile(readFileSync(join(root, 'Dockerfile'), 'utf8'));

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function run(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd,
    env: { PATH: process.env.PATH ?? '', ...env },
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { code: status, output: stdout + stderr };
}

describe('the build', () => {
  let product: BuiltProduct;
  let place: string;
  beforeAll(() => {
    product = buildProduct();
    ({ place } = product);
    expect(product.output).toContain('workflow bundle');
    expect(run(place, ['dev/build.mjs', 'sandbox']).code).toBe(0);
    // What runs from here on has the compiled code alone.
    for (const name of readdirSync(place)) {
      if (!/^(dist|dist-sandbox|node_modules|package\.json|deploy)$/.test(name))
        rmSync(join(place, name), { recursive: true });
    }
  }, 120_000);
  afterAll(() => product.remove());

  it('holds production code, the files that it reads and the workflow bundle, and nothing of dev and test', () => {
    expect(readdirSync(join(place, 'dist')).toSorted()).toEqual([
      'activities',
      'api',
      'cli',
      'concur',
      'core',
      'db',
      'runtime',
      'vault',
      'web',
      'worker',
      'workflows',
    ]);
    const migrations = readdirSync(join(root, 'db/migrations'));
    expect(migrations.length).toBeGreaterThan(0);
    expect(readdirSync(join(place, 'dist/db/migrations'))).toEqual(migrations);
    for (const file of [
      'db/roles.sql',
      'web/styles.css',
      'web/icon.svg',
      'web/progress.js',
      'worker/workflow-bundle.js',
    ]) {
      expect(existsSync(join(place, 'dist', file)), file).toBe(true);
    }
  });

  it.each([
    ['api', 'DATABASE_URL TEMPORAL_ADDRESS EVERGRANT_KEKS PUBLIC_URL'],
    ['worker', 'DATABASE_URL TEMPORAL_ADDRESS EVERGRANT_KEKS'],
  ])('ends the %s with 78 when nothing is set, naming all that it lacks', (name, lacking) => {
    const { code, output } = run(place, [`dist/${name}/main.js`]);
    expect(output).toContain('The configuration is wrong');
    for (const variable of lacking.split(' ')) expect(output).toContain(`${variable}: is not set`);
    expect(code).toBe(EX_CONFIG);
  });

  it('has a command line that helps, and whose migrate says what it needs', () => {
    expect(run(place, ['dist/cli/main.js'])).toMatchObject({ code: 2, output: expect.stringContaining('migrate') });
    const migrate = run(place, ['dist/cli/main.js', 'migrate'], { EVERGRANT_MODE: 'production' });
    expect(migrate).toMatchObject({ code: EX_CONFIG, output: expect.stringContaining('MIGRATION_DATABASE_URL') });
  });

  it('has a sandbox that names what is wrong with its environment', () => {
    const { code, output } = run(place, ['dist-sandbox/dev/sandbox/main.js'], { SANDBOX_PORT: 'none' });
    expect(output).toContain('SANDBOX_PORT');
    expect(code).toBe(EX_CONFIG);
  });
});

describe('the Dockerfile', () => {
  it.each(['api', 'worker', 'cli'])(
    'runs the %s in production mode, as nobody in particular, without dev/',
    (target) => {
      expect(dockerfile.environmentOf(target)).toMatchObject({ EVERGRANT_MODE: 'production', NODE_ENV: 'production' });
      expect(dockerfile.last(target, 'USER')).toBe('node');
      const copies = dockerfile
        .chain(target)
        .flatMap(({ instructions }) => instructions.filter(({ name }) => name === 'COPY'));
      expect(copies.map(({ value }) => value)).toEqual([
        '--from=dependencies /app/node_modules ./node_modules',
        'package.json LICENSE ./',
        'deploy/probe.mjs ./',
        '--from=build /app/dist ./dist',
      ]);
    },
  );

  it('starts the program itself as process 1, so that signals reach it', () => {
    for (const target of ['api', 'worker', 'cli', 'sandbox']) {
      const [program, ...args] = JSON.parse(dockerfile.last(target, 'ENTRYPOINT') ?? 'null');
      expect(program).toBe('node');
      expect(args.at(-1)).toMatch(/^dist\/.*main\.js$/);
    }
  });

  it.each(['api', 'worker', 'sandbox'])('asks the %s how it is, at a port that its image sets', (target) => {
    const [, variable] =
      /node probe\.mjs "http:\/\/127\.0\.0\.1:\$\{([A-Z_]+)\}\//.exec(dockerfile.last(target, 'HEALTHCHECK') ?? '') ??
      [];
    expect(Object.keys(dockerfile.environmentOf(target))).toContain(variable);
  });

  it('installs what the lock file says, without running scripts of packages', () => {
    const installs = dockerfile.names
      .flatMap((name) => dockerfile.chain(name).at(-1)?.instructions ?? [])
      .filter(({ name, value }) => name === 'RUN' && value.includes('npm '));
    expect(installs.map(({ value }) => value)).toEqual([
      expect.stringContaining('npm ci --include=dev --ignore-scripts'),
      expect.stringContaining('npm ci --omit=dev --ignore-scripts'),
    ]);
  });
});

describe('the probe', () => {
  const answers: Readonly<Record<string, number>> = { '/up': 200, '/down': 503 };
  const server = createServer((request, response) => response.writeHead(answers[request.url ?? ''] ?? 404).end());
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => promisify(server.close.bind(server))());
  const probe = (path: string): Promise<number> =>
    new Promise((resolve) => {
      const { port } = server.address() as AddressInfo;
      const args = [join(root, 'deploy/probe.mjs'), `http://127.0.0.1:${port}${path}`];
      execFile(process.execPath, args, (error) => resolve(error === null ? 0 : Number(error.code)));
    });

  it('tells by its exit code whether the answer was good', async () => {
    expect(await probe('/up')).toBe(0);
    expect(await probe('/down')).toBe(1);
    expect(() =>
      execFileSync(process.execPath, [join(root, 'deploy/probe.mjs'), 'http://127.0.0.1:9'], { stdio: 'ignore' }),
    ).toThrow();
  });
});
