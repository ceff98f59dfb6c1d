/** Rules about single files hold over the whole repository, and a violation of each of them is found. */
import { describe, expect, it } from 'vitest';
import { readRepository } from '../../dev/check/repository-files.ts';
import { checkSources, sourceRules } from '../../dev/check/source-rules.ts';
import { root } from './planted-house.ts';

interface Plant {
  readonly path: string;
  readonly text: string;
}

const planted: Readonly<Record<string, readonly Plant[]>> = {
  'environment-is-read-in-one-place': [
    { path: 'api/app.ts', text: 'const port = process.env.PORT;' },
    { path: 'core/errors.ts', text: "const port = process['env']['PORT'];" },
    { path: 'worker/main.ts', text: 'const { env } = process;' },
    { path: 'cli/run.ts', text: 'const { env: variables } = globalThis.process;' },
    { path: 'runtime/logger.ts', text: "import { env } from 'node:process';" },
    { path: 'db/pool.ts', text: "import { env as variables } from 'process';" },
    { path: 'scripts.mjs', text: 'console.log(globalThis.process.env.HOME)' },
  ],
  'secrets-are-revealed-in-listed-places': [
    { path: 'api/routes/events.ts', text: 'log.info({ token: token.reveal() });' },
    { path: 'web/layout.ts', text: 'export const show = (s: Secret) => `${s.reveal()}`;' },
    { path: 'db/pool.ts', text: "const value = secret['reveal']();" },
    { path: 'activities/refresh.ts', text: 'const { reveal } = secret;' },
    { path: 'workflows/index.ts', text: 'const { reveal: open } = secret;' },
    { path: 'core/lifecycle.ts', text: 'const plain = secrets.map((secret) => secret?.reveal());' },
  ],
  'no-folder-is-a-drawer': [
    'api/utils/x.ts',
    'core/helpers/y.ts',
    'test/common/z.sql',
    'web/shared/a.css',
    'lib/b.ts',
  ].map((path) => ({ path, text: '' })),
  'barrels-are-two': [{ path: 'core/index.ts', text: "export * from './errors.ts';" }],
  'scripts-are-named-in-kebab-case': [
    'api/readBody.ts',
    'core/Connection.ts',
    'db/Stores/app.ts',
    'web/my_page.mjs',
  ].map((path) => ({ path, text: '' })),
  'no-check-is-switched-off-in-place': [
    { path: 'api/app.ts', text: `// ${'@ts-'}ignore\nconst x: string = 1;` },
    { path: 'core/errors.ts', text: `const x = y; // ${'eslint-'}disable-line` },
    { path: 'db/pool.ts', text: `/* ${'TO'}DO: later */` },
  ],
};

const permitted: readonly Plant[] = [
  { path: 'runtime/config.ts', text: 'const all = process.env;' },
  { path: 'dev/stack/start.ts', text: 'const all = process.env;' },
  { path: 'api/app.ts', text: 'const env = createEnvironment(variables); // not process.env\nprocess.exit(0);' },
  { path: 'vault/vault.ts', text: 'const plain = secret.reveal();' },
  { path: 'concur/refresh.ts', text: 'const plain = secret.reveal();' },
  { path: 'core/secret.ts', text: 'export class Secret { reveal(): string { return this.#value; } }' },
  { path: 'workflows/index.ts', text: "export { a } from './a.ts';" },
  { path: 'web/library/shelf.ts', text: '' },
  { path: 'test/types/contract.test-d.ts', text: '' },
  { path: 'docs/UPPER.md', text: '' },
];

describe('the repository', () => {
  const files = readRepository(root);

  it('keeps every rule about single files', () => {
    const { findings } = checkSources(files);
    expect(findings.map(({ rule, path, line }) => `${rule}: ${path}:${line}`)).toEqual([]);
  });

  it('was really looked at, by every rule', () => {
    const { looked } = checkSources(files);
    expect(looked.size).toBe(sourceRules.length);
    for (const [rule, count] of looked) expect(count, rule).toBeGreaterThan(100);
  });

  it('reveals secrets in the vault and on the wire: the rule sees the calls that are meant', () => {
    const revealing = files.filter(({ path, text }) => /^(vault|concur)\//.test(path) && text.includes('.reveal()'));
    const elsewhere = revealing.map(({ path, text }) => ({ path: `web/${path}`, text }));
    const found = checkSources(elsewhere).findings.map(({ path }) => path);
    expect(new Set(found)).toEqual(new Set(elsewhere.map(({ path }) => path)));
    expect(elsewhere.length).toBeGreaterThan(5);
  });
});

describe('a planted violation', () => {
  it('exists for every rule', () => {
    expect(Object.keys(planted).toSorted()).toEqual(sourceRules.map(({ name }) => name).toSorted());
  });

  it.each(Object.entries(planted).flatMap(([rule, plants]) => plants.map((plant) => ({ rule, ...plant }))))(
    'of $rule in $path is found',
    ({ rule, path, text }) => {
      expect(checkSources([{ path, text }]).findings.map((finding) => finding.rule)).toEqual([rule]);
    },
  );

  it.each(permitted)('is not seen in $path, which is as it should be', (file) => {
    expect(checkSources([file]).findings).toEqual([]);
  });
});
