/** The search attributes that the workflows set must exist in the namespace. */
import { AppError } from '../core/errors.ts';
import { searchAttributes } from '../workflows/contract.ts';

/** `IndexedValueType` of Temporal's API. */
const KEYWORD = 2;
const DATETIME = 6;

const needed: Readonly<Record<string, number>> = {
  [searchAttributes.state]: KEYWORD,
  [searchAttributes.dataCentre]: KEYWORD,
  [searchAttributes.app]: KEYWORD,
  [searchAttributes.principal]: KEYWORD,
  [searchAttributes.customerRef]: KEYWORD,
  [searchAttributes.stateSince]: DATETIME,
};

interface OperatorService {
  listSearchAttributes(request: { namespace: string }): Promise<{ customAttributes?: Record<string, unknown> | null }>;
  addSearchAttributes(request: { namespace: string; searchAttributes: Record<string, number> }): Promise<unknown>;
}

/**
 * Registers what is missing in development; elsewhere that is an operator's act, and the error says which command to
 * run. Throws `configuration-invalid`.
 */
export async function ensureSearchAttributes(
  operatorService: OperatorService,
  namespace: string,
  options: { readonly register: boolean },
): Promise<void> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const missing = Object.keys(needed).filter((name) => !(name in (customAttributes ?? {})));
  if (missing.length === 0) return;
  if (!options.register) {
    const flags = missing.map((name) => `--name ${name} --type ${needed[name] === DATETIME ? 'Datetime' : 'Keyword'}`);
    throw new AppError(
      'configuration-invalid',
      `the Temporal namespace '${namespace}' lacks the search attributes ${missing.join(', ')}. Run:\n` +
        flags.map((flag) => `  temporal operator search-attribute create --namespace ${namespace} ${flag}`).join('\n'),
    );
  }
  const missingTypes = Object.fromEntries(missing.map((name) => [name, needed[name] ?? KEYWORD]));
  await operatorService.addSearchAttributes({ namespace, searchAttributes: missingTypes });
}
