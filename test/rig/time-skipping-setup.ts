/** Vitest's global set-up of the suites that live through years: finds, or fetches, the time-skipping server. */
import type { TestProject } from 'vitest/node';
import { resolveTestServer } from '../../dev/stack/test-server.ts';
import { report } from './per-run.ts';

export async function setup(project: TestProject): Promise<void> {
  project.provide('timeSkippingServer', await resolveTestServer({ env: process.env, report }));
}
