/** A Temporal server that a test has for itself: it may be frozen, and lost with all it knows. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { Guardian } from '../../dev/stack/guardian.ts';
import { Part } from '../../dev/stack/part.ts';
import { freePort } from '../../dev/stack/ports.ts';
import { resolveTemporalCli } from '../../dev/stack/temporal-cli.ts';
import { startTemporal } from '../../dev/stack/temporal.ts';
import { report } from './per-run.ts';

export interface OwnTemporal {
  readonly address: string;
  readonly namespace: string;
  readonly client: Client;
  /** It takes connections and says nothing. */
  freeze(): void;
  thaw(): void;
  /** Ends it; nothing that it knew is left. */
  lose(): Promise<void>;
  close(): Promise<void>;
}

const NAMESPACE = 'default';

export async function startOwnTemporal(): Promise<OwnTemporal> {
  const program = await resolveTemporalCli({ env: process.env, report });
  const folder = await mkdtemp(join(tmpdir(), 'evergrant-own-temporal-'));
  const guardian = new Guardian();
  guardian.removeAtEnd(folder);
  const server = await startTemporal({
    program,
    port: await freePort(),
    uiPort: null,
    databaseFile: null,
    namespace: NAMESPACE,
    cwd: folder,
    spawn: (options) => {
      const part = new Part(options);
      guardian.guard(part, options, 1);
      return part;
    },
  });
  const connection = await Connection.connect({ address: server.address });
  const thaw = (): void => void process.kill(server.part.pid, 'SIGCONT');
  let isLost = false;
  return {
    address: server.address,
    namespace: NAMESPACE,
    client: new Client({ connection, namespace: NAMESPACE }),
    freeze: () => void process.kill(server.part.pid, 'SIGSTOP'),
    thaw,
    async lose() {
      isLost = true;
      await server.stop();
    },
    async close() {
      await connection.close();
      if (!isLost) {
        thaw();
        await server.stop();
      }
      await rm(folder, { recursive: true, force: true });
      await guardian.close();
    },
  };
}
