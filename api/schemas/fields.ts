/** The fields that requests are made of. `openapi` in the metadata replaces the generated schema of a field. */
import { z } from 'zod';

export const APP_NAME = /^[a-z0-9-]{1,40}$/;
export const PRINCIPAL_ID = /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/;

/** Name of an app. */
export const appName = z
  .string()
  .regex(APP_NAME, 'must be 1 to 40 of a-z, 0-9 and -')
  .meta({ description: 'Name of the app', example: 'demo' });

/** A UUID in any case, in lower case from here on. */
export const principalId = z
  .string()
  .regex(PRINCIPAL_ID, 'must be a UUID')
  .transform((id) => id.toLowerCase())
  .meta({
    openapi: { type: 'string', format: 'uuid', description: 'UUID of the company or user at SAP Concur, any case' },
  });

/** Opaque values such as request tokens. */
export const opaqueText = z.string().regex(/^[\x21-\x7e]{1,512}$/, 'must be 1 to 512 visible ASCII characters');

/** No control characters, and no halves of characters: JSON can spell those, and no database keeps them. */
const plainText = z.string().regex(/^[^\p{Cc}\p{Cs}]{1,200}$/u, 'must be 1 to 200 characters, no control characters');

/** The partner's own name for the customer. */
export const customerRef = plainText.meta({ description: "The partner's own name for the customer" });

/** Free text that a person wrote. */
export const note = plainText;

/** A whole number in a query string. */
export function wholeNumber(least: number, most: number, description: string): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= least && value <= most, `must be between ${least} and ${most}`)
    .meta({ openapi: { type: 'integer', minimum: least, maximum: most, description } });
}

/** Where a list goes on: `next_cursor` of the page before. */
export const cursor = z
  .string()
  .regex(/^[\x21-\x7e]{1,512}$/, 'must be the next_cursor of an earlier answer')
  .meta({ description: '`next_cursor` of the page before' });
export const limit = wholeNumber(1, 200, 'Items a page, 50 by default');
