/**
 * What Concur's redirect brings. Today `id`, `requestToken` and `userId` (one of Concur's pages spells it `userID`); in
 * the flow of before 2017 a `code`, or `error` when the request was declined.
 */
import { z } from 'zod';
import { isAppError } from '../../core/errors.ts';
import { legacyInstanceOf } from '../../core/intake-kind.ts';
import type { App, NewBrowserSession } from '../../core/stores.ts';
import { parseInput } from '../input.ts';
import type { Context } from '../route.ts';
import { opaqueText, principalId } from '../schemas/fields.ts';
import { buildPageError } from './page-error.ts';

const todaysSchema = z.object({ id: principalId, requestToken: opaqueText, userId: opaqueText });
const legacySchema = z.object({ code: opaqueText });

/** `secret`: to be exchanged once the landing page is completed. */
export interface Arrival extends Pick<NewBrowserSession, 'kind' | 'principal' | 'dataCentre' | 'userId'> {
  readonly secret: string;
}

/** Throws a page that names what is missing, repeated or wrong. */
export function parseArrival(ctx: Context, app: App): Arrival {
  const parameters = new URLSearchParams(ctx.querystring);
  return app.flow === 'app-center-legacy' ? parseLegacy(parameters, app) : parseTodays(parameters);
}

function parseTodays(parameters: URLSearchParams): Arrival {
  const { id, requestToken, userId } = parseOnce(todaysSchema, {
    id: parameters.getAll('id'),
    requestToken: parameters.getAll('requestToken'),
    userId: [...parameters.getAll('userId'), ...parameters.getAll('userID')],
  });
  return { kind: 'request-token', principal: id, dataCentre: null, userId, secret: requestToken };
}

function parseLegacy(parameters: URLSearchParams, { environment }: App): Arrival {
  if (parameters.has('error')) throw buildPageError('declined');
  const { code } = parseOnce(legacySchema, { code: parameters.getAll('code') });
  const dataCentre = legacyInstanceOf(environment);
  return { kind: 'legacy-code', principal: null, dataCentre, userId: null, secret: code };
}

/** Each exactly once; others are ignored. */
function parseOnce<T>(schema: z.ZodType<T>, given: Readonly<Record<string, readonly string[]>>): T {
  const once = Object.fromEntries(
    Object.entries(given).flatMap(([name, values]) => (values.length === 1 ? [[name, values[0]]] : [])),
  );
  try {
    return parseInput(schema, once);
  } catch (error) {
    const fields = isAppError(error, 'bad-request') ? error.details.fields : undefined;
    if (!Array.isArray(fields)) throw error;
    throw buildPageError('bad-link', { wrongParameters: [...new Set(fields.map(String))] });
  }
}
