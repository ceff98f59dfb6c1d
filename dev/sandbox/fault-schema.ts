/**
 * What can be made to go wrong, on purpose. Three sorts: *waits* and *alterations* add up when several match a call;
 * of the *outcomes*, one call takes the first that matches, so that a row of them plays one after the other.
 */
import { z } from 'zod';
import { endpointNames } from './protocol/wire.ts';

const when = z.enum(['before', 'after']).default('after').describe('before or after Concur has acted on the request');

const waits = [
  z.object({ kind: z.literal('delay'), ms: z.number().int().min(0).max(3_600_000), when }).describe('answers late'),
  z.object({ kind: z.literal('hold'), when }).describe('answers when the fault is released'),
] as const;

const outcomes = [
  z.object({ kind: z.literal('drop') }).describe('the connection is reset; Concur has not acted'),
  z.object({ kind: z.literal('process-then-drop') }).describe('Concur has acted, the answer is lost'),
  z.object({ kind: z.literal('truncate') }).describe('Concur has acted, the connection ends within the body'),
  z
    .object({ kind: z.literal('never-answer'), processed: z.boolean().default(false) })
    .describe('silence; with processed, Concur has acted nevertheless'),
  z
    .object({
      kind: z.literal('answer'),
      status: z.number().int().min(200).max(599),
      body: z.string().default(''),
      contentType: z.string().default('application/json'),
      headers: z.record(z.string(), z.string()).default({}),
    })
    .describe('this very answer; Concur has not acted'),
  z.object({ kind: z.literal('html-503') }).describe('503 with an HTML page'),
  z
    .object({ kind: z.literal('rate-limit'), retryAfterSeconds: z.number().int().min(0).optional() })
    .describe('429, with Retry-After when given'),
  z.object({ kind: z.literal('not-json') }).describe('200 with a body that is no JSON'),
  z
    .object({
      kind: z.literal('code'),
      code: z.number().int(),
      status: z.number().int().min(400).max(599).optional(),
      geolocation: z.string().optional(),
    })
    .describe("an error with Concur's code; with 16 a geolocation"),
] as const;

const alterations = [
  z.object({ kind: z.literal('without-access-token') }).describe('200 without access_token'),
  z.object({ kind: z.literal('without-refresh-token') }).describe('200 without refresh_token and its expiry'),
  z.object({ kind: z.literal('without-id-token') }).describe('200 without id_token'),
  z.object({ kind: z.literal('without-refresh-expires-in') }).describe('200 without refresh_expires_in'),
  z.object({ kind: z.literal('without-geolocation') }).describe('200 without geolocation'),
  z
    .object({ kind: z.literal('expires-in'), value: z.union([z.string(), z.number()]) })
    .describe('expires_in as given: absurd, a string, a number'),
  z
    .object({ kind: z.literal('wrong-subject'), subject: z.string().optional() })
    .describe('id_token (or profile) of somebody else'),
  z.object({ kind: z.literal('bad-id-token-signature') }).describe('id_token whose signature does not verify'),
  z.object({ kind: z.literal('expired-id-token') }).describe('id_token that has run out'),
  z
    .object({ kind: z.literal('wrong-audience'), audience: z.string().optional() })
    .describe('id_token made for another app'),
  z
    .object({ kind: z.literal('geolocation'), value: z.string() })
    .describe('geolocation as given, hostile for instance'),
  z
    .object({ kind: z.literal('decorated-geolocation') })
    .describe('geolocation with upper-case letters and a path behind it'),
  z
    .object({ kind: z.literal('fields'), set: z.record(z.string(), z.unknown()) })
    .describe('any field of a 200 set, or taken away with null'),
] as const;

const effectSchema = z.discriminatedUnion('kind', [...waits, ...outcomes, ...alterations]);

const matchSchema = z
  .object({
    endpoint: z.enum(endpointNames as [(typeof endpointNames)[number], ...(typeof endpointNames)[number][]]).optional(),
    dataCentre: z.string().optional(),
    clientId: z.string().optional(),
    /** A company matches its users too. */
    principalId: z.string().optional(),
    /** `authtoken` is the exchange of a request token, `password` a login. */
    grantType: z.string().optional(),
  })
  .describe('which calls; nothing given: every call');

export const faultSchema = z.intersection(
  effectSchema,
  z.object({
    match: matchSchema.default({}),
    times: z
      .union([z.number().int().min(1), z.literal('always')])
      .default(1)
      .describe('how many calls it hits'),
    skip: z.number().int().min(0).default(0).describe('how many matching calls it lets pass first'),
  }),
);

/** A fault as one asks for it, and as it is kept. */
export type FaultInput = z.input<typeof faultSchema>;
export type FaultSpec = z.output<typeof faultSchema>;
export type FaultMatch = z.output<typeof matchSchema>;
export type Wait = z.output<(typeof waits)[number]>;
export type Outcome = z.output<(typeof outcomes)[number]>;
export type Alteration = z.output<(typeof alterations)[number]>;

const waitKinds: ReadonlySet<string> = new Set(waits.map((schema) => schema.shape.kind.value));
const alterationKinds: ReadonlySet<string> = new Set(alterations.map((schema) => schema.shape.kind.value));

export function isWait(effect: Wait | Outcome | Alteration): effect is Wait {
  return waitKinds.has(effect.kind);
}

export function isAlteration(effect: Wait | Outcome | Alteration): effect is Alteration {
  return alterationKinds.has(effect.kind);
}

/** Each kind with a sentence about it, for the pages and the description of the control surface. */
export const faultKinds: readonly { readonly kind: string; readonly sort: string; readonly does: string }[] = [
  ...outcomes.map((schema) => ({ kind: schema.shape.kind.value, sort: 'outcome', does: schema.description ?? '' })),
  ...waits.map((schema) => ({ kind: schema.shape.kind.value, sort: 'wait', does: schema.description ?? '' })),
  ...alterations.map((schema) => ({
    kind: schema.shape.kind.value,
    sort: 'alteration',
    does: schema.description ?? '',
  })),
];
