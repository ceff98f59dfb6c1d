import { z } from 'zod';
import { issueTexts } from './issue-texts.ts';
import { mayBePlain } from './network.ts';
import { json } from './values.ts';

/** Somebody whose JWTs the partner API accepts. `apps` and `scopes` are ceilings of what its tokens may claim. */
export type AuthIssuer =
  | { readonly kind: 'local' }
  | {
      readonly kind: 'external';
      readonly issuer: string;
      readonly audience: string;
      /** Null: found by OpenID Connect Discovery. */
      readonly jwksUri: string | null;
      readonly algorithms: readonly string[];
      /** Demanded `typ` header; null: any. */
      readonly typ: string | null;
      readonly scopeClaim: string;
      readonly apps: readonly string[] | '*';
      readonly scopes: readonly string[];
    };

/** Signatures that only the issuer can make: nothing symmetric, nothing unsigned. */
const algorithms = z.enum(
  ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
  { error: 'must be an asymmetric signature algorithm such as RS256' },
);
const defaultAlgorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

const word = z.string({ error: 'must be text' }).min(1, 'must not be empty').max(512, 'must be at most 512 characters');

/** The JSON array of `AUTH_ISSUERS`. Plain http is for loopback in development. */
export function authIssuers(development: boolean): z.ZodType<readonly AuthIssuer[], string> {
  const url = z.string({ error: 'must be text: a URL' }).refine((value) => {
    const parsed = URL.canParse(value) ? new URL(value) : null;
    return (
      parsed !== null &&
      (parsed.protocol === 'https:' || (parsed.protocol === 'http:' && mayBePlain(parsed, development)))
    );
  }, 'must be an https URL (http for loopback in development)');

  const external = z
    .strictObject(
      {
        issuer: url,
        audience: word,
        jwksUri: url.optional(),
        algorithms: z
          .array(algorithms)
          .min(1, 'must name at least one')
          .default([...defaultAlgorithms]),
        typ: word.optional(),
        scopeClaim: word.default('scope'),
        apps: z.union([z.literal('*'), z.array(word)], { error: 'is required: an array of apps, or "*"' }),
        scopes: z.array(word, { error: 'is required: an array of scopes' }),
      },
      { error: (issue) => (issue.code === 'invalid_type' ? 'must be "local" or an object' : undefined) },
    )
    .transform(
      ({ jwksUri, typ, ...rest }): AuthIssuer => ({
        kind: 'external',
        ...rest,
        jwksUri: jwksUri ?? null,
        typ: typ ?? null,
      }),
    );
  const local = z.literal('local').transform((): AuthIssuer => ({ kind: 'local' }));
  // Not a union: its message would name neither branch.
  const entry = z.unknown().transform((value, context): AuthIssuer => {
    const result = (value === 'local' ? local : external).safeParse(value, issueTexts);
    if (result.success) return result.data;
    for (const { path, message } of result.error.issues) context.addIssue({ code: 'custom', path, message });
    return z.NEVER;
  });
  return json(
    z
      .array(entry, { error: 'must be a JSON array of "local" and issuers' })
      .min(1, 'must name at least one issuer')
      .refine((issuers) => new Set(issuers.map(nameOf)).size === issuers.length, 'must name each issuer once'),
  );
}

function nameOf(issuer: AuthIssuer): string {
  return issuer.kind === 'local' ? 'local' : issuer.issuer;
}
