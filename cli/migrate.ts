import type { Command } from 'commander';
import { assertNotForeign } from '../db/installation.ts';
import { migrate } from '../db/migrate.ts';
import { createPool } from '../db/pool.ts';
import type { Config } from '../runtime/settings.ts';
import { printJson } from './print.ts';
import type { Terminal } from './terminal.ts';
import { quietLog } from './toolbox.ts';
import { addVerb } from './verb.ts';

/** `evergrant migrate`: brings the database's schema up to date, with the owner's role. */
export function addMigrate(program: Command, terminal: Terminal, config: () => Config): void {
  addVerb(program, 'migrate', "bring the database's schema up to date, with the owner's role").action(
    async ({ json }: { readonly json?: true }) => {
      const { databaseUrl, mode } = config();
      await assertOwn(databaseUrl, mode);
      const { applied } = await migrate(databaseUrl);
      if (json) return printJson(terminal, { applied });
      if (applied.length === 0) terminal.out('The schema is up to date.\n');
      for (const name of applied) terminal.out(`Applied ${name}.\n`);
    },
  );
}

/** Another installation's database is not to be changed, not even its schema. */
async function assertOwn(url: string, mode: Config['mode']): Promise<void> {
  const pool = createPool({ url, max: 1, log: quietLog, applicationName: 'evergrant migrate' });
  try {
    await assertNotForeign(pool, { mode, kekFingerprints: [] });
  } finally {
    await pool.end();
  }
}
