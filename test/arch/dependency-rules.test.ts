/** The directions of imports hold, and a violation of each of them is found. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CruisedHouse, cruiseHouse } from '../../dev/check/cruise-house.ts';
import { plantHouse, root } from './planted-house.ts';

/** Files that everything below imports. */
const furniture = {
  'core/errors.ts': 'export const errors = 1;',
  'core/ports.ts': 'export interface Clock { now(): number }',
  'workflows/contract.ts':
    "import { defineQuery } from '@temporalio/workflow';\nexport const status = defineQuery('status');",
  'workflows/connection-lifecycle.ts': 'export const lifecycle = 1;',
  'activities/index.ts': 'export const create = 1;\nexport type Activities = { a: 1 };',
  'concur/concur.ts': 'export const concur = 1;\nexport type Concur = 1;',
  'concur/data-centres.ts': 'export const published = 1;',
  'vault/vault.ts': 'export const vault = 1;\nexport type Vault = 1;',
  'db/pool.ts': 'export const pool = 1;\nexport type Pool = 1;',
  'worker/worker.ts': 'export const worker = 1;',
  'runtime/config.ts': 'export const config = 1;',
  'web/layout.ts': 'export const layout = 1;',
  'api/app.ts': 'export const app = 1;',
  'cli/run.ts': 'export const run = 1;',
  'dev/stack/ports.ts': 'export const ports = 1;',
  'examples/service/client.ts': 'export const client = 1;',
  'test/rig/clone.ts': 'export const clone = 1;',
};

/** What each rule forbids, in one or more files. */
const planted: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'core-imports-nothing': {
    'core/reads-disk.ts': "import 'node:fs';",
    'core/uses-library.ts': "import { z } from 'zod';\nexport const schema = z;",
    'core/knows-adapter.ts': "import type { Pool } from '../db/pool.ts';\nexport type P = Pool;",
  },
  'workflows-import-core-and-temporal': {
    'workflows/reads-disk.ts': "import 'node:fs';",
    'workflows/uses-client.ts': "import { Client } from '@temporalio/client';\nexport const C = Client;",
    'workflows/knows-runtime.ts': "import { config } from '../runtime/config.ts';\nexport const c = config;",
    'workflows/knows-type-of-vault.ts': "import type { Vault } from '../vault/vault.ts';\nexport type V = Vault;",
  },
  'workflows-know-activity-types-only': {
    'workflows/calls-activity.ts': "import { create } from '../activities/index.ts';\nexport const c = create;",
  },
  'contract-points-at-types-of-the-core': {
    'workflows/contract.ts':
      "import { defineQuery } from '@temporalio/workflow';\nimport { errors } from '../core/errors.ts';\nexport const status = defineQuery('status');\nexport const e = errors;",
  },
  'activities-get-their-ports-injected': {
    'activities/opens-database.ts': "import { pool } from '../db/pool.ts';\nexport const p = pool;",
    'activities/knows-workflow.ts':
      "import { lifecycle } from '../workflows/connection-lifecycle.ts';\nexport const l = lifecycle;",
    'activities/uses-http.ts': "import { fetch } from 'undici';\nexport const f = fetch;",
    'activities/reads-disk.ts': "import 'node:fs';",
  },
  'concur-knows-core-and-its-library': {
    'concur/opens-vault.ts': "import { vault } from '../vault/vault.ts';\nexport const v = vault;",
    'concur/knows-type-of-db.ts': "import type { Pool } from '../db/pool.ts';\nexport type P = Pool;",
    'concur/uses-pg.ts': "import pg from 'pg';\nexport const p = pg;",
  },
  'vault-knows-core-and-its-library': {
    'vault/reads-database.ts': "import { pool } from '../db/pool.ts';\nexport const p = pool;",
    'vault/calls-concur.ts': "import { concur } from '../concur/concur.ts';\nexport const c = concur;",
  },
  'db-knows-core-and-its-library': {
    'db/opens-vault.ts': "import { vault } from '../vault/vault.ts';\nexport const v = vault;",
    'db/reads-config.ts': "import { config } from '../runtime/config.ts';\nexport const c = config;",
  },
  'api-knows-contract-and-stores': {
    'api/runs-workflow.ts':
      "import { lifecycle } from '../workflows/connection-lifecycle.ts';\nexport const l = lifecycle;",
    'api/runs-activity.ts': "import { create } from '../activities/index.ts';\nexport const c = create;",
    'api/opens-database.ts': "import { pool } from '../db/pool.ts';\nexport const p = pool;",
    'api/routes/opens-vault.ts': "import { vault } from '../../vault/vault.ts';\nexport const v = vault;",
  },
  'api-runs-no-worker': {
    'api/starts-worker.ts': "import { Worker } from '@temporalio/worker';\nexport const W = Worker;",
  },
  'worker-gets-its-parts-injected': {
    'worker/opens-database.ts': "import { pool } from '../db/pool.ts';\nexport const p = pool;",
    'worker/calls-concur.ts': "import { concur } from '../concur/concur.ts';\nexport const c = concur;",
    'worker/runs-activity.ts': "import { create } from '../activities/index.ts';\nexport const c = create;",
  },
  'runtime-serves-everybody': {
    'runtime/opens-database.ts': "import { pool } from '../db/pool.ts';\nexport const p = pool;",
    'runtime/calls-concur.ts': "import { concur } from '../concur/concur.ts';\nexport const c = concur;",
  },
  'web-draws-only': {
    'web/reads-config.ts': "import { config } from '../runtime/config.ts';\nexport const c = config;",
    'web/uses-koa.ts': "import Koa from 'koa';\nexport const K = Koa;",
  },
  'nobody-imports-a-main-file': {
    'test/imports-main.ts': "import '../api/main.ts';",
    'dev/imports-main.ts': "import '../worker/main.ts';",
  },
  'nothing-imports-the-command-line': {
    'dev/stack/uses-cli.ts': "import { run } from '../../cli/run.ts';\nexport const r = run;",
  },
  'production-holds-no-dev': {
    'runtime/uses-dev.ts': "import { ports } from '../dev/stack/ports.ts';\nexport const p = ports;",
    'api/uses-example.ts': "import { client } from '../examples/service/client.ts';\nexport const c = client;",
    'cli/uses-test.ts': "import { clone } from '../test/rig/clone.ts';\nexport const c = clone;",
  },
  'dev-knows-no-tests': {
    'dev/stack/uses-test.ts': "import { clone } from '../../test/rig/clone.ts';\nexport const c = clone;",
  },
  'examples-stand-alone': {
    'examples/service/knows-core.ts':
      "import type { errors } from '../../core/errors.ts';\nexport type E = typeof errors;",
    'examples/service/uses-sandbox.ts': "import { ports } from '../../dev/stack/ports.ts';\nexport const p = ports;",
  },
  'sandbox-shares-nothing-with-the-client': {
    'dev/sandbox/uses-client.ts': "import { concur } from '../../concur/concur.ts';\nexport const c = concur;",
    'dev/sandbox/uses-stack.ts': "import { ports } from '../stack/ports.ts';\nexport const p = ports;",
  },
  'images-install-what-they-import': {
    'runtime/uses-vitest.ts': "import { expect } from 'vitest';\nexport const e = expect;",
    'dev/sandbox/uses-vitest.ts': "import { expect } from 'vitest';\nexport const e = expect;",
  },
  'packages-are-in-package-json': {
    'runtime/uses-stowaway.ts': "import accepts from 'accepts';\nexport const a = accepts;",
  },
  'every-import-resolves': {
    'runtime/uses-nothing.ts': "import { nothing } from './nowhere.ts';\nexport const n = nothing;",
  },
  'no-circle': {
    'runtime/hen.ts': "import type { Egg } from './egg.ts';\nexport type Hen = Egg[];",
    'runtime/egg.ts': "import type { Hen } from './hen.ts';\nexport type Egg = Hen[];",
  },
};

/** Looks like a violation and is none. */
const permitted: Readonly<Record<string, string>> = {
  'workflows/proxies.ts': "import type { Activities } from '../activities/index.ts';\nexport type A = Activities;",
  'workflows/view.ts':
    "import { defineSearchAttributeKey } from '@temporalio/common';\nexport const d = defineSearchAttributeKey;",
  'activities/deps.ts':
    "import type { Concur } from '../concur/concur.ts';\nimport { status } from '../workflows/contract.ts';\nexport type C = Concur;\nexport const s = status;",
  'concur/http.ts': "import 'node:crypto';\nimport { fetch } from 'undici';\nexport const f = fetch;",
  'api/deps.ts': "import type { Pool } from '../db/pool.ts';\nexport type P = Pool;",
  'api/main.ts':
    "import { pool } from '../db/pool.ts';\nimport { vault } from '../vault/vault.ts';\nexport const parts = [pool, vault];",
  'worker/main.ts': "import { concur } from '../concur/concur.ts';\nexport const parts = [concur];",
  'cli/main.ts': "import { pool } from '../db/pool.ts';\nexport const parts = [pool];",
  'runtime/base-uris.ts': "import { published } from '../concur/data-centres.ts';\nexport const p = published;",
  'examples/service/main.ts': "import { SignJWT } from 'jose';\nexport const S = SignJWT;",
  'test/arch.ts': "import { pool } from '../db/pool.ts';\nexport const p = pool;",
};

describe('the house', () => {
  let house: CruisedHouse;
  beforeAll(async () => {
    house = await cruiseHouse(root);
  });

  it('has no import in a forbidden direction', () => {
    expect(house.violations.map(({ rule, from, to }) => `${rule}: ${from} -> ${to}`)).toEqual([]);
  });

  it('was really read: its TypeScript files and what they import', () => {
    expect(house.modules.size).toBeGreaterThan(200);
    for (const folder of [
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
    ]) {
      expect([...house.modules.keys()].filter((path) => path.startsWith(`${folder}/`))).not.toEqual([]);
    }
    expect(house.modules.get('workflows/proxies.ts')).toContain('activities/index.ts');
    expect(house.modules.get('worker/main.ts')).toContain('db/pool.ts');
    expect(house.modules.get('core/lifecycle.ts')?.length).toBeGreaterThan(0);
  });
});

describe('a planted violation', () => {
  let house: CruisedHouse;
  const plants = Object.assign({}, ...Object.values(planted)) as Record<string, string>;
  const place = plantHouse({ ...furniture, ...permitted, ...plants });
  beforeAll(async () => {
    house = await cruiseHouse(place.root);
  });
  afterAll(() => place.remove());

  it('exists for every rule', () => {
    expect(Object.keys(planted).toSorted()).toEqual([...house.rules].toSorted());
  });

  for (const [rule, files] of Object.entries(planted)) {
    it.each(Object.keys(files))(`of ${rule} in %s is found`, (path) => {
      // A circle is told once, by the file where it was first walked.
      const told = house.violations.filter(({ from, to }) => from === path || (rule === 'no-circle' && to === path));
      expect(told.map((violation) => violation.rule)).toContain(rule);
    });
  }

  it.each(Object.keys(permitted))('is not seen in %s, which is as it should be', (path) => {
    expect(house.modules.has(path)).toBe(true);
    expect(house.violations.filter(({ from }) => from === path)).toEqual([]);
  });
});
