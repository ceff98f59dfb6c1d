/** The directions of `.dependency-cruiser.cjs`, held against the real graph of imports. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import extractConfig from 'dependency-cruiser/config-utl/extract-depcruise-config';
import extractTsConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import { houses } from './houses.ts';

export interface Violation {
  readonly rule: string;
  readonly from: string;
  readonly to: string;
}

export interface CruisedHouse {
  /** Files of ours that were read, with what each imports. */
  readonly modules: ReadonlyMap<string, readonly string[]>;
  readonly violations: readonly Violation[];
  /** Names of all rules that were applied. */
  readonly rules: readonly string[];
}

/** Reads every import of the house at `root`, with the rules that lie there. */
export async function cruiseHouse(root: string): Promise<CruisedHouse> {
  const config = await extractConfig(join(root, '.dependency-cruiser.cjs'));
  const there = houses.filter((house) => existsSync(join(root, house)));
  const { output } = await cruise(
    there,
    { ...config.options, baseDir: root, ruleSet: config, validate: true },
    undefined,
    { tsConfig: extractTsConfig(join(root, 'tsconfig.json')) },
  );
  const { modules, summary } = assertResult(output);
  const ours = modules.filter(({ source }) => there.some((house) => source.startsWith(`${house}/`)));
  return {
    modules: new Map(ours.map(({ source, dependencies }) => [source, dependencies.map(({ resolved }) => resolved)])),
    violations: summary.violations.map(({ rule, from, to }) => ({ rule: rule.name, from, to })),
    rules: (config.forbidden ?? []).map(({ name }) => name ?? 'unnamed'),
  };
}

function assertResult(output: ICruiseResult | string): ICruiseResult {
  if (typeof output === 'string') throw new Error('dependency-cruiser reported text instead of its result');
  return output;
}
