/** axe-core in the page that is shown: every rule that is switched on by default, best practices too. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Finding {
  readonly id: string;
  readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary?: string }[];
}

interface AxeResult {
  readonly violations: readonly Finding[];
  readonly incomplete: readonly Finding[];
  readonly passes: readonly Finding[];
}

export interface Audit {
  /** One line for each element that breaks a rule, or of which axe can't tell. */
  readonly findings: readonly string[];
  /** Rules that looked at something and were content. */
  readonly passed: readonly string[];
}

/** Evaluated by the browser's debugger: the page's policy allows no scripts, and stays as it is. */
export async function auditPage(page: Page): Promise<Audit> {
  const result = await page.evaluate<AxeResult>(
    `${source}\n;axe.run(document, { resultTypes: ['violations', 'incomplete'] })`,
  );
  return {
    findings: [...result.violations, ...result.incomplete].flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary = '' }) => `${id} at ${target.join(' ')}: ${failureSummary}`),
    ),
    passed: result.passes.map(({ id }) => id),
  };
}
