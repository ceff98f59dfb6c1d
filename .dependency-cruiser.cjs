/**
 * Which part of the house may know which. Run by `npm run check`; test/arch plants a violation of every rule and
 * sees it found.
 */

/** Folders with code of ours. */
const HOUSES = 'api|workflows|activities|worker|core|concur|vault|db|runtime|web|cli|dev|test|bench|examples';

/** The only files, with cli, dev and test, that put implementations together. */
const MAIN = '^(api|worker)/main\\.ts$';

const CONTRACT = '^workflows/contract\\.ts$';

/** In node_modules of this folder or of one above. */
const npm = (names) => `(^|/)node_modules/(${names})/`;

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'core-imports-nothing',
      comment: 'The core is pure: no I/O, no clock, no Node, no library.',
      severity: 'error',
      from: { path: '^core/' },
      to: { pathNot: '^core/' },
    },
    {
      name: 'workflows-import-core-and-temporal',
      comment:
        'Workflow code is replayed. Besides the core it knows the workflow SDK, and @temporalio/common for the keys of ' +
        'search attributes, which the former does not export.',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { pathNot: ['^core/', '^workflows/', '^activities/', npm('@temporalio/(workflow|common)')] },
    },
    {
      name: 'workflows-know-activity-types-only',
      comment: 'An activity runs in another place than the workflow: only its type crosses.',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: '^activities/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'contract-points-at-types-of-the-core',
      comment: 'Every arrow points at the contract; it points at the core’s types and the definitions of the SDK.',
      severity: 'error',
      from: { path: CONTRACT },
      to: { pathNot: [npm('@temporalio/workflow')], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'activities-get-their-ports-injected',
      comment: 'Activities import the core, the contract, their SDK, and types.',
      severity: 'error',
      from: { path: '^activities/' },
      to: {
        pathNot: ['^core/', '^activities/', CONTRACT, npm('@temporalio/(activity|common)')],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'concur-knows-core-and-its-library',
      severity: 'error',
      from: { path: '^concur/' },
      to: { pathNot: ['^core/', '^concur/', npm('undici|jose|sax')], dependencyTypesNot: ['core'] },
    },
    {
      name: 'vault-knows-core-and-its-library',
      severity: 'error',
      from: { path: '^vault/' },
      to: { pathNot: ['^core/', '^vault/', npm('jose')], dependencyTypesNot: ['core'] },
    },
    {
      name: 'db-knows-core-and-its-library',
      severity: 'error',
      from: { path: '^db/' },
      to: { pathNot: ['^core/', '^db/', npm('pg|node-pg-migrate')], dependencyTypesNot: ['core'] },
    },
    {
      name: 'api-knows-contract-and-stores',
      comment: 'The API knows the ports of the stores, never implementations of workflows, activities or stores.',
      severity: 'error',
      from: { path: '^api/', pathNot: MAIN },
      to: {
        path: '^(workflows|activities|worker|concur|vault|db|cli)/',
        pathNot: CONTRACT,
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'api-runs-no-worker',
      severity: 'error',
      from: { path: '^api/' },
      to: { path: npm('@temporalio/(worker|activity|testing|core-bridge)') },
    },
    {
      name: 'worker-gets-its-parts-injected',
      severity: 'error',
      from: { path: '^worker/', pathNot: MAIN },
      to: {
        path: '^(workflows|activities|api|concur|vault|db|web|cli)/',
        pathNot: CONTRACT,
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'runtime-serves-everybody',
      comment:
        'Configuration, log, metrics: below all parts but the core. The table of published data centres is read.',
      severity: 'error',
      from: { path: '^runtime/' },
      to: { path: `^(${HOUSES})/`, pathNot: ['^(core|runtime)/', '^concur/data-centres\\.ts$'] },
    },
    {
      name: 'web-draws-only',
      comment: 'Pages are made from what they are given.',
      severity: 'error',
      from: { path: '^web/' },
      to: { pathNot: ['^core/', '^web/'], dependencyTypesNot: ['core'] },
    },
    {
      name: 'nobody-imports-a-main-file',
      comment: 'Whatever is put together there is started, not imported.',
      severity: 'error',
      from: {},
      to: { path: '(^|/)main\\.ts$' },
    },
    {
      name: 'nothing-imports-the-command-line',
      severity: 'error',
      from: { pathNot: '^(cli|test|bench)/' },
      to: { path: '^cli/' },
    },
    {
      name: 'production-holds-no-dev',
      comment: 'The production image has no dev/, test/, bench/ and examples/.',
      severity: 'error',
      from: { path: `^(${HOUSES})/`, pathNot: '^(dev|test|bench|examples)/' },
      to: { path: '^(dev|test|bench|examples)/' },
    },
    {
      name: 'dev-knows-no-tests',
      severity: 'error',
      from: { path: '^dev/' },
      to: { path: '^(test|bench|examples)/' },
    },
    {
      name: 'examples-stand-alone',
      comment: 'Whoever copies examples/ has all of it: they know the HTTP API and nothing of this house.',
      severity: 'error',
      from: { path: '^examples/' },
      to: { path: `^((?!examples/)(${HOUSES}))/` },
    },
    {
      name: 'sandbox-shares-nothing-with-the-client',
      comment: 'Whoever plays Concur must not inherit a misunderstanding of whoever calls it.',
      severity: 'error',
      from: { path: '^dev/sandbox/' },
      to: { path: '^(api|workflows|activities|worker|concur|vault|db|web|cli)/|^dev/(?!sandbox/)' },
    },
    {
      name: 'images-install-what-they-import',
      comment: 'Images are installed with --omit=dev; the sandbox has one too.',
      severity: 'error',
      from: { path: `^((?!dev/|test/|bench/|examples/)(${HOUSES})|dev/sandbox)/` },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'packages-are-in-package-json',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'every-import-resolves',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-circle',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // What the examples build.
    exclude: { path: '^examples/[^/]+/dist/' },
    // Imports of types count: they are directions too.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.cjs', '.js', '.json'],
    },
  },
};
