/** What Concur's redirect brings: `id`, `requestToken` and `userId` (one of Concur's pages spells it `userID`). */
import { isAppError } from '../../core/errors.ts';
import { parseInput } from '../input.ts';
import type { Context } from '../route.ts';
import { opaqueText, principalId } from '../schemas/fields.ts';
import { z } from 'zod';
import { buildPageError } from './page-error.ts';

const arrivalSchema = z.object({ id: principalId, requestToken: opaqueText, userId: opaqueText });

export type Arrival = z.infer<typeof arrivalSchema>;

/** Each exactly once, others are ignored. Throws a page that names what is missing, repeated or wrong. */
export function parseArrival(ctx: Context): Arrival {
  const parameters = new URLSearchParams(ctx.querystring);
  const given = {
    id: parameters.getAll('id'),
    requestToken: parameters.getAll('requestToken'),
    userId: [...parameters.getAll('userId'), ...parameters.getAll('userID')],
  };
  const once = Object.fromEntries(
    Object.entries(given).flatMap(([name, values]) => (values.length === 1 ? [[name, values[0]]] : [])),
  );
  try {
    return parseInput(arrivalSchema, once);
  } catch (error) {
    const fields = isAppError(error, 'bad-request') ? error.details.fields : undefined;
    if (!Array.isArray(fields)) throw error;
    throw buildPageError('bad-link', { wrongParameters: [...new Set(fields.map(String))] });
  }
}
