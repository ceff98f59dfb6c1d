import type { Command } from 'commander';
import { migrate } from '../db/migrate.ts';
import type { Config } from '../runtime/settings.ts';
import { printJson } from './print.ts';
import type { Terminal } from './terminal.ts';
import { addVerb } from './verb.ts';

/** `evergrant migrate`: brings the database's schema up to date, with the owner's role. */
export function addMigrate(program: Command, terminal: Terminal, config: () => Config): void {
  addVerb(program, 'migrate', "bring the database's schema up to date, with the owner's role").action(
    async ({ json }: { readonly json?: true }) => {
      const { applied } = await migrate(config().databaseUrl);
      if (json) return printJson(terminal, { applied });
      if (applied.length === 0) terminal.out('The schema is up to date.\n');
      for (const name of applied) terminal.out(`Applied ${name}.\n`);
    },
  );
}
