import { z } from 'zod';
import { isBaseUri } from '../concur/data-centres.ts';
import { mayBePlain } from './network.ts';
import { json } from './values.ts';

/** Concur's docs, Pre-2017 Authorization: the instances of the App Center flow of that time. */
export const publishedLegacyBaseUris: Readonly<Record<string, string>> = {
  www: 'https://www.concursolutions.com',
  eu1: 'https://eu1.concursolutions.com',
  implementation: 'https://implementation.concursolutions.com',
  eu1imp: 'https://eu1imp.concursolutions.com',
};

/**
 * A table of base URIs by name, as JSON. `http` is for development alone, and there for loopback and `sandboxHosts`.
 * `required`: names that must be in it.
 */
export function baseUris(
  development: boolean,
  sandboxHosts: readonly string[],
  required: readonly string[],
): z.ZodType<Readonly<Record<string, string>>, string> {
  const plainRule = development
    ? 'or http for loopback and the hosts in SANDBOX_HOSTS'
    : 'as http is for EVERGRANT_MODE=development alone';
  const baseUri = z
    .string({ error: 'must be text: a base URI' })
    .refine((value) => isBaseUri(value) && URL.canParse(value), {
      abort: true,
      error: 'must be a base URI such as https://us2.api.concursolutions.com',
    })
    .refine((value) => {
      const url = new URL(value);
      return url.protocol === 'https:' || mayBePlain(url, development, sandboxHosts);
    }, `must be https, ${plainRule}`);
  const name = z.string().regex(/^[a-z0-9-]{1,40}$/);
  const table = z
    .record(name, baseUri, {
      error: ({ code }) =>
        code === 'invalid_key'
          ? 'must be named with small letters, digits and dashes'
          : 'must be a JSON object of base URIs by name, such as {"glz":"https://…","us2":"https://…"}',
    })
    .superRefine((value, context) => {
      for (const key of required.filter((one) => !Object.hasOwn(value, one))) {
        context.addIssue({ code: 'custom', message: `must have an entry "${key}"` });
      }
    });
  return json(table);
}
