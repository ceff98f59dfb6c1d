/**
 * Vitest's global set-up of the suites that run `npm start` itself: sees to it that Temporal is on this machine, as a
 * build that takes minutes is nothing for a test's time-out.
 */
import { resolveTemporalCli } from '../../dev/stack/temporal-cli.ts';
import { oncePerRun, report } from './per-run.ts';

export async function setup(): Promise<() => Promise<void>> {
  const isGiven = (process.env.TEMPORAL_ADDRESS ?? '') !== '';
  const find = async (): Promise<string> => (isGiven ? '' : await resolveTemporalCli({ env: process.env, report }));
  const { release } = await oncePerRun('temporal-program', find, async () => undefined);
  return release;
}
