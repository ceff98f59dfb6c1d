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

/** For people who make them by other means than this server's own command. */
export const searchAttributeList = Object.entries(needed)
  .map(([name, type]) => `${name} (${nameOf(type)})`)
  .join(', ');

/** Statuses of gRPC with which a server keeps its lists from us, as Temporal Cloud may: they are managed elsewhere there. */
const keptFromUs = new Set<unknown>([7, 12]);

/**
 * Registers what is missing in development; elsewhere that is an operator's act, and the error says which command to
 * run. False when the server does not tell. Throws `configuration-invalid`.
 */
export async function ensureSearchAttributes(
  operatorService: OperatorService,
  namespace: string,
  options: { readonly register: boolean },
): Promise<boolean> {
  const listed = await operatorService.listSearchAttributes({ namespace }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && keptFromUs.has(error.code)) return null;
    throw error;
  });
  if (listed === null) return false;
  const { customAttributes } = listed;
  const missing = Object.keys(needed).filter((name) => !(name in (customAttributes ?? {})));
  if (missing.length === 0) return true;
  if (!options.register) {
    const flags = missing.map((name) => `--name ${name} --type ${nameOf(needed[name])}`);
    throw new AppError(
      'configuration-invalid',
      `the Temporal namespace '${namespace}' lacks the search attributes ${missing.join(', ')}. Run:\n` +
        flags.map((flag) => `  temporal operator search-attribute create --namespace ${namespace} ${flag}`).join('\n'),
    );
  }
  const missingTypes = Object.fromEntries(missing.map((name) => [name, needed[name] ?? KEYWORD]));
  await operatorService.addSearchAttributes({ namespace, searchAttributes: missingTypes });
  return true;
}

function nameOf(type: number | undefined): string {
  return type === DATETIME ? 'Datetime' : 'Keyword';
}
