/** The rules of eslint that guard promises, exhaustiveness and determinism are on where they have to be. */
import { join } from 'node:path';
import { ESLint } from 'eslint';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plantHouse, root } from './planted-house.ts';

interface Plant {
  readonly rule: string;
  readonly path: string;
  readonly text: string;
}

const planted: readonly Plant[] = [
  { rule: '@typescript-eslint/no-floating-promises', path: 'api/forgets.ts', text: 'Promise.resolve(1);' },
  {
    rule: '@typescript-eslint/no-misused-promises',
    path: 'api/misuses.ts',
    text: "process.on('SIGTERM', async () => { await Promise.resolve(1); });",
  },
  {
    rule: '@typescript-eslint/switch-exhaustiveness-check',
    path: 'core/half.ts',
    text: "export function half(state: 'a' | 'b'): number { switch (state) { case 'a': return 1; } return 0; }",
  },
  {
    rule: '@typescript-eslint/consistent-type-imports',
    path: 'core/imports-type.ts',
    text: "import { Half } from './half-type.ts';\nexport const half: Half = 1;",
  },
  { rule: '@typescript-eslint/no-explicit-any', path: 'db/any.ts', text: 'export const row: any = 1;' },
  {
    rule: '@typescript-eslint/restrict-template-expressions',
    path: 'api/prints-secret.ts',
    text: 'class Secret { readonly x = 1; }\nexport const line = `${new Secret()}`;',
  },
  { rule: 'no-console', path: 'worker/prints.ts', text: "console.log('up');" },
  { rule: 'no-restricted-exports', path: 'web/default.ts', text: 'export default 1;' },
  { rule: 'no-restricted-syntax', path: 'web/barrel.ts', text: "export * from './default.ts';" },
  { rule: 'no-restricted-properties', path: 'core/reads-clock.ts', text: 'export const now = () => Date.now();' },
  { rule: 'no-restricted-properties', path: 'core/throws-dice.ts', text: 'export const dice = () => Math.random();' },
  {
    rule: 'no-restricted-properties',
    path: 'workflows/throws-dice.ts',
    text: 'export const dice = () => Math.random();',
  },
  { rule: 'no-restricted-syntax', path: 'core/makes-date.ts', text: 'export const now = () => new Date();' },
  { rule: 'no-restricted-globals', path: 'core/sleeps.ts', text: 'setTimeout(() => {}, 1);' },
  { rule: 'no-restricted-globals', path: 'core/reads-env.ts', text: 'export const home = process.env.HOME;' },
  { rule: 'no-restricted-globals', path: 'core/makes-uuid.ts', text: 'export const id = () => crypto.randomUUID();' },
  {
    rule: 'no-restricted-globals',
    path: 'workflows/calls-out.ts',
    text: "export const answer = () => fetch('http://x');",
  },
  { rule: 'no-restricted-imports', path: 'workflows/uses-node.ts', text: "import { ok } from 'node:assert';\nok(1);" },
  {
    rule: 'temporal/workflow-no-node-or-dom-imports',
    path: 'workflows/reads-disk.ts',
    text: "import { readFileSync } from 'node:fs';\nexport const x = readFileSync('x');",
  },
  {
    rule: 'temporal/workflow-require-activity-timeouts',
    path: 'workflows/waits-for-ever.ts',
    text: "import { proxyActivities } from '@temporalio/workflow';\nexport const acts = proxyActivities<{ a(): Promise<void> }>({});",
  },
  { rule: 'temporal/workflow-no-console', path: 'workflows/prints.ts', text: "console.log('hello');" },
  {
    rule: '@typescript-eslint/ban-ts-comment',
    path: 'api/ignores.ts',
    text: `// ${'@ts-'}ignore because\nexport const x: string = 1;`,
  },
];

const permitted: Readonly<Record<string, string>> = {
  'core/half-type.ts': 'export type Half = 1;',
  'core/formats.ts': 'export const iso = (atMs: number): string => new Date(atMs).toISOString();',
  'cli/prints.ts': "console.log('done');",
  'workflows/reads-clock.ts': 'export const now = (): number => Date.now();',
  'web/whole.ts':
    "export function whole(state: 'a' | 'b'): number { switch (state) { case 'a': return 1; case 'b': return 2; } }",
};

describe('eslint', () => {
  const files = Object.fromEntries(planted.map(({ path, text }) => [path, `${text}\n`]));
  const place = plantHouse({ ...files, ...permitted });
  let results: readonly ESLint.LintResult[];
  const rulesIn = (path: string): readonly (string | null)[] => {
    const result = results.find(({ filePath }) => filePath === join(place.root, path));
    if (result === undefined) throw new Error(`${path} was not linted`);
    return result.messages.map(({ ruleId }) => ruleId);
  };
  beforeAll(async () => {
    results = await new ESLint({ cwd: place.root }).lintFiles(['.']);
  }, 60_000);
  afterAll(() => place.remove());

  it.each(planted)('finds $rule in $path', ({ rule, path }) => {
    expect(rulesIn(path)).toContain(rule);
  });

  it.each(Object.keys(permitted))('has nothing against %s', (path) => {
    expect(rulesIn(path)).toEqual([]);
  });

  it('lets no file switch a rule off for itself', async () => {
    const [result] = await new ESLint({ cwd: root }).lintText(`/* eslint-${'disable'} */\nvar x = 1;\n`, {
      filePath: join(root, 'planted.mjs'),
    });
    expect(result?.messages.map(({ ruleId }) => ruleId)).toContain('no-var');
  });
});
