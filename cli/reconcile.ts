import type { Command } from 'commander';
import { reconcile } from '../core/reconcile.ts';
import { printJson } from './print.ts';
import { addVerb, type Bench } from './verb.ts';

/** `evergrant reconcile`: every connection that has not ended, at once; the Schedule takes the overdue ones. */
export function addReconcile(program: Command, bench: Bench): void {
  const { terminal, tools } = bench;
  addVerb(program, 'reconcile', 'start the workflow of every connection that should have one and has none')
    .option('--restart', 'start those that run anew, too: after a restore of the database')
    .action(async ({ json, restart }: { readonly json?: true; readonly restart?: true }) => {
      const { clock, reconcile: store, lifecycle } = tools();
      const lifecycles = await lifecycle();
      const { seen, started, failed } = await reconcile(
        {
          clock,
          ensureRunning: (key) => (restart ? lifecycles.startAnew(key) : lifecycles.ensureRunning(key)),
          page: (request) => store.manyOpen(request),
          passed: (_cursor, totals) => terminal.progress?.(`${totals.seen} seen, ${totals.started} started`),
          failed: ({ app, principal }, error) =>
            terminal.err(`${app} ${principal}: ${error instanceof Error ? error.message : String(error)}\n`),
        },
        null,
      );
      terminal.progress?.('');
      const running = seen - started - failed;
      if (json) printJson(terminal, { seen, started, running, failed });
      else terminal.out(`${seen} connections: ${started} workflows started, ${running} were running.\n`);
      if (failed > 0) bench.tryAgain(`${failed} workflows could not be started.`);
    });
}
