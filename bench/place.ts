/**
 * Where a benchmark runs: PostgreSQL that writes to the disk as in production, Temporal's development server in memory,
 * the sandbox, and the product as `npm run build` makes it; each in a process of its own but the sandbox.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { migrate } from '../db/migrate.ts';
import type { SandboxOptions } from '../dev/sandbox/sandbox.ts';
import { Guardian } from '../dev/stack/guardian.ts';
import { nodeCommand } from '../dev/stack/node-part.ts';
import { Part, type PartOptions } from '../dev/stack/part.ts';
import { freePort, LOOPBACK } from '../dev/stack/ports.ts';
import { DATABASE_NAME, OWNER_ROLE } from '../dev/stack/postgres-cluster.ts';
import { startPostgres } from '../dev/stack/postgres.ts';
import { resolveTemporalCli } from '../dev/stack/temporal-cli.ts';
import { startTemporal } from '../dev/stack/temporal.ts';
import { type Backend, createBackend } from '../test/integration/backend.ts';
import { type BuiltProduct, buildProduct } from '../test/rig/built-product.ts';
import { openNamespace } from './open-namespace.ts';

const GRACE_MS = 10_000;
const UP_MS = 60_000;
const NAMESPACE = 'default';

export interface Started {
  readonly part: Part;
  /** Where it said that it listens. */
  readonly url: string;
}

export interface Place {
  readonly temporalAddress: string;
  readonly client: Client;
  /** The Prometheus page of the Temporal server. */
  readonly temporalMetricsUrl: string;
  /** The servers' processes. */
  readonly pids: { readonly temporal: number; readonly postgres: number };
  /** The product's own side: database, sandbox, and its processes. Each of them once by each name. */
  openBackend(options?: SandboxOptions, own?: OwnOptions): Promise<Backend>;
  /** Starts one of the benchmark's own programs, from `bench/`, and waits until it says that it is up. */
  start(module: string, env: Readonly<Record<string, string>>): Promise<Started>;
  /** The product's command line; what it printed. Throws when it fails. */
  evergrant(backend: Backend, args: readonly string[], env: Readonly<Record<string, string>>): string;
  close(): Promise<void>;
}

export interface OwnOptions {
  /** Of its database, and of its namespace unless it has the server's only one. */
  readonly name?: string;
  /** Options of Node for its processes. */
  readonly nodeArgs?: readonly string[];
}

export interface PlaceOptions {
  /** The folder of a build that is there already. */
  readonly product: string | null;
  /** Where CPU profiles of the product's processes go. */
  readonly profiles: string | null;
  readonly say: (line: string) => void;
}

export async function openPlace({ product, profiles, say }: PlaceOptions): Promise<Place> {
  const guardian = new Guardian();
  const folder = await mkdtemp(join(tmpdir(), 'evergrant-bench-'));
  guardian.removeAtEnd(folder);
  const spawn = (rank: number) => (options: PartOptions) => {
    const part = new Part(options);
    guardian.guard(part, options, rank);
    return part;
  };
  if (product === null) say('building the product');
  const built: Pick<BuiltProduct, 'place'> & Partial<BuiltProduct> =
    product === null ? buildProduct() : { place: product };
  say('starting PostgreSQL and Temporal');
  const metricsPort = await freePort();
  const program = await resolveTemporalCli({ env: process.env, report: say });
  const [postgres, temporal] = await Promise.all([
    startPostgres({ folder: join(folder, 'postgres'), port: await freePort(), durable: true, spawn: spawn(1) }),
    startTemporal({
      program,
      port: await freePort(),
      uiPort: null,
      databaseFile: null,
      namespace: NAMESPACE,
      cwd: folder,
      spawn: (options) => spawn(1)({ ...options, args: [...options.args, '--metrics-port', String(metricsPort)] }),
    }),
  ]);
  const connection = await Connection.connect({ address: temporal.address });
  const client = new Client({ connection, namespace: NAMESPACE });
  const parts: Part[] = [];
  const backends: Backend[] = [];

  return {
    temporalAddress: temporal.address,
    client,
    temporalMetricsUrl: `http://${LOOPBACK}:${metricsPort}/metrics`,
    pids: { temporal: temporal.part.pid, postgres: postgres.part.pid },
    async openBackend(options = {}, { name = DATABASE_NAME, nodeArgs = [] } = {}) {
      const isOnly = name === DATABASE_NAME;
      if (!isOnly) await createDatabase(postgres.url('admin', 'postgres'), name);
      await migrate(postgres.url('owner', name));
      const own = isOnly ? client : await openNamespace(temporal.address, name);
      const backend = await createBackend(
        { callLimit: 1_000, secretLimit: 1_000, ...options },
        {
          built: { place: built.place },
          nodeArgs: [...nodeArgs, ...(profiles === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`])],
          temporal: {
            address: temporal.address,
            namespace: own.options.namespace,
            client: own,
            // The place's own goes with the place.
            close: async () => (own === client ? undefined : await own.connection.close()),
          },
          database: {
            name,
            url: postgres.url('application', name),
            ownerUrl: postgres.url('owner', name),
            adminUrl: postgres.url('admin', name),
            // It goes with its server.
            drop: async () => undefined,
          },
        },
      );
      backends.push(backend);
      return backend;
    },
    async start(module, env) {
      const [command, ...args] = nodeCommand(fileURLToPath(new URL(module, import.meta.url)));
      const options = {
        ...{ name: module, command, args, graceMs: GRACE_MS, ipc: true },
        env: { PATH: process.env.PATH ?? '', ...env },
      };
      const part = spawn(3)(options);
      parts.push(part);
      return { part, url: (await part.ready(UP_MS)) ?? '' };
    },
    evergrant({ environment }, args, env) {
      const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/cli/main.js', ...args], {
        cwd: built.place,
        encoding: 'utf8',
        env: { PATH: process.env.PATH ?? '', ...environment, ...env },
      });
      if (status !== 0) throw new Error(`evergrant ${args.join(' ')} failed:\n${stderr}`);
      return stdout;
    },
    async close() {
      await Promise.all(parts.map((part) => part.stop()));
      await Promise.all(backends.map((backend) => backend.close()));
      await connection.close();
      await Promise.all([postgres.stop(), temporal.stop()]);
      await rm(folder, { recursive: true, force: true });
      await guardian.close();
      built.remove?.();
    },
  };
}

async function createDatabase(url: string, name: string): Promise<void> {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  try {
    await admin.query(`CREATE DATABASE ${admin.escapeIdentifier(name)} OWNER ${OWNER_ROLE}`);
  } finally {
    await admin.end();
  }
}
