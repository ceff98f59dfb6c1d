/** The folders with code of ours, as `.dependency-cruiser.cjs` names them too. */
export const houses = [
  'api',
  'workflows',
  'activities',
  'worker',
  'core',
  'concur',
  'vault',
  'db',
  'runtime',
  'web',
  'cli',
  'dev',
  'test',
  'bench',
  'examples',
] as const;
