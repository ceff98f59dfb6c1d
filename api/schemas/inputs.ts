/** What the partner API takes: the schemas that validate, and that the documentation is made from. */
import { z } from 'zod';
import { connectionStates } from '../../core/connection.ts';
import { parseDuration } from '../../runtime/duration.ts';
import { appName, cursor, customerRef, limit, note, principalId, wholeNumber } from './fields.ts';

export const appParams = z.object({ app: appName });
export const connectionParams = z.object({ app: appName, principal: principalId });

export const connectParams = z.object({
  app: appName,
  id: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be the id of a connect')
    .meta({ description: 'As the `location` of a 202 has it' }),
});

/** Names a request, so that the same again is done once. */
export const idempotencyHeaders = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
    .optional()
    .meta({ description: 'The same key with the same body gets the first answer again, for a day' }),
});

export const listQuery = z.object({
  state: z.enum(connectionStates).optional(),
  data_center: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/, 'must be the name of a data centre')
    .optional(),
  customer_ref: customerRef.optional(),
  cursor: cursor.optional(),
  limit: limit.optional(),
});

export const pageQuery = z.object({ cursor: cursor.optional(), limit: limit.optional() });
export const showQuery = z.object({ source: z.enum(['workflow', 'database']).optional() });
export const tokenQuery = z.object({
  min_ttl: wholeNumber(0, 1_800, 'Seconds that the token must still live').optional(),
});

export const patchBody = z.strictObject({ customer_ref: customerRef.nullable() });
export const rejectionBody = z.strictObject({
  version: z.int().min(0).meta({ description: 'Version of the token that SAP Concur refused' }),
  status: z.int().min(100).max(599).optional(),
});
export const reasonBody = z.strictObject({ reason: note.optional() });
export const sessionParams = z.object({
  ref: z.string().meta({ description: 'The parameter `session` with which the browser came to signInUrl' }),
});
export const signedInBody = z.strictObject({ customer_ref: customerRef });
export const returnResource = z
  .object({
    return_url: z.string().meta({ format: 'uri', description: 'For the browser that signed in, and no other' }),
  })
  .meta({ id: 'Return' });

export const codeBody = z.strictObject({
  label: note.optional(),
  customer_ref: customerRef.optional(),
  principal_id: principalId.optional(),
  ttl: z
    .string()
    .refine((text) => (parseDuration(text) ?? 0) >= 1_000, 'must be a duration such as 24h or 7d')
    .optional()
    .meta({ description: 'How long the code works: 7d by default, 30d at most' }),
});

export const codeResource = z
  .object({ code: z.string(), expires_at: z.string().meta({ format: 'date-time' }) })
  .meta({ id: 'VerificationCode' });
