/**
 * Rules about what code does. How it looks is the formatter's affair, what may import what is dependency-cruiser's.
 *
 * Nothing can be switched off in a file: an exception is made here, where it is seen.
 */
import { defineConfig } from 'eslint/config';
import temporal from 'eslint-plugin-temporal';
import tseslint from 'typescript-eslint';

/** Rules of the plugin that go by names alone and are wrong here; what holds instead. */
const notHere = new Set([
  // Takes setHandler for a promise. The typed no-floating-promises sees the real ones.
  'temporal/workflow-no-floating-promises',
  // A lifecycle waits for ever on purpose.
  'temporal/workflow-condition-timeout-style',
  // Take every exported function for a workflow or an activity. test/types holds the real ones to one argument.
  'temporal/workflow-prefer-single-object-args',
  'temporal/activity-prefer-single-object-args',
  // Heartbeats go through an injected port, which it does not know.
  'temporal/activity-heartbeat-in-long-loops',
  // Takes the contract for a workflow. dependency-cruiser knows the difference.
  'temporal/worker-no-workflow-or-activity-definitions',
]);

/** The plugin's presets warn where it is not sure; what applies here is an error. */
function asErrors(rules) {
  return Object.fromEntries(Object.keys(rules).map((name) => [name, notHere.has(name) ? 'off' : 'error']));
}

const clock = 'Time and chance come in by the ports (core/ports.ts).';
const clockGlobals = ['setTimeout', 'setInterval', 'setImmediate', 'performance', 'crypto'].map((name) => ({
  name,
  message: clock,
}));
const nodeGlobals = ['process', 'Buffer', 'console', 'fetch', 'global', 'require', '__dirname', '__filename'].map(
  (name) => ({ name, message: 'The core and the workflows run without Node.' }),
);
const chance = { object: 'Math', property: 'random', message: clock };
const wallClock = { object: 'Date', property: 'now', message: clock };
const newDate = {
  selector: 'NewExpression[callee.name="Date"][arguments.length=0], CallExpression[callee.name="Date"]',
  message: clock,
};

const noBarrel = {
  selector: 'ExportAllDeclaration',
  message: 'No barrels: import from the file that has it.',
};
const noEnum = { selector: 'TSEnumDeclaration', message: 'A union of literals does without code of its own.' };

export default defineConfig(
  { ignores: ['**/dist/**', 'dist-*/**', '.evergrant/**', 'coverage/**', 'node_modules/**'] },
  {
    linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: 'error' },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    rules: {
      'no-undef': 'off',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'prefer-const': 'error',
      'no-var': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    files: ['**/*.ts'],
    plugins: { '@typescript-eslint': tseslint.plugin },
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      // Promises: forgotten ones lose errors, and an answer of Concur may be in one.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      // What was caught, or the reason of a signal, is passed on as it is.
      '@typescript-eslint/prefer-promise-reject-errors': [
        'error',
        { allowThrowingAny: true, allowThrowingUnknown: true },
      ],
      '@typescript-eslint/only-throw-error': 'error',
      // Exhaustiveness: a new state or code must be met by everybody who decides by it.
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: true },
      ],
      // Types that tell the truth.
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/ban-ts-comment': [
        'error',
        { 'ts-expect-error': true, 'ts-ignore': true, 'ts-nocheck': true },
      ],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      '@typescript-eslint/no-base-to-string': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true, allowNullish: true },
      ],
      '@typescript-eslint/no-implied-eval': 'error',
      '@typescript-eslint/parameter-properties': 'error',
      'prefer-const': 'error',
      'no-var': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-param-reassign': 'error',
      'no-console': 'error',
      'no-eval': 'error',
      'no-new-func': 'error',
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true, named: true, defaultFrom: true } }],
      'no-restricted-syntax': ['error', noBarrel, noEnum],
    },
  },
  {
    // They talk to a person at a terminal.
    files: ['cli/**', 'dev/**', 'bench/**', 'examples/*/main.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    // Vitest wants a default export.
    files: ['vitest.config.ts'],
    rules: { 'no-restricted-exports': 'off' },
  },
  {
    // That a secret prints as a mask is tried by printing one.
    files: ['test/**'],
    rules: {
      '@typescript-eslint/restrict-template-expressions': 'off',
      '@typescript-eslint/no-base-to-string': 'off',
    },
  },
  {
    // What must not compile is shown by expecting the error.
    files: ['test/types/**'],
    rules: { '@typescript-eslint/ban-ts-comment': ['error', { 'ts-expect-error': 'allow-with-description' }] },
  },
  {
    files: ['core/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...clockGlobals, ...nodeGlobals],
      'no-restricted-properties': ['error', chance, wallClock],
      'no-restricted-syntax': ['error', noBarrel, noEnum, newDate],
    },
  },
  {
    ...temporal.configs.workflow,
    files: ['workflows/**/*.ts'],
    rules: {
      ...asErrors(temporal.configs.workflow.rules),
      'no-restricted-globals': ['error', ...clockGlobals, ...nodeGlobals],
      'no-restricted-properties': ['error', chance],
      'no-restricted-imports': ['error', { patterns: [{ group: ['node:*'], message: 'Workflows run without Node.' }] }],
    },
  },
  {
    ...temporal.configs.activity,
    files: ['activities/**/*.ts'],
    rules: asErrors(temporal.configs.activity.rules),
  },
  {
    ...temporal.configs.worker,
    files: ['worker/**/*.ts'],
    rules: asErrors(temporal.configs.worker.rules),
  },
  {
    ...temporal.configs.client,
    files: ['api/**/*.ts', 'cli/**/*.ts'],
    rules: asErrors(temporal.configs.client.rules),
  },
);
