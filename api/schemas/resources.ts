/** The resources of the API as documented; the types come from the core, and the compiler compares the two. */
import { z } from 'zod';
import { connectionStates } from '../../core/connection.ts';
import type { ConnectionResource } from '../../core/connection-resource.ts';
import { errorTable } from '../../core/errors.ts';
import type { EventResource } from '../../core/event-resource.ts';

const time = z.string().meta({ format: 'date-time' });
const state = z.enum(connectionStates);

export const connectionResource: z.ZodType<ConnectionResource> = z
  .object({
    app: z.string(),
    principal_id: z.string().meta({ format: 'uuid' }),
    principal_type: z.enum(['company', 'user', 'legacy-user']),
    company: z.object({ name: z.string(), domain: z.string().nullable() }).nullable(),
    customer_ref: z.string().nullable(),
    state,
    state_since: time,
    reason: z.string().nullable(),
    upkeep: z.enum(['warm', 'idle']),
    data_center: z.string().nullable(),
    geolocation: z.string().nullable(),
    scope: z.string().nullable(),
    version: z.int(),
    access_token_expires_at: time.nullable(),
    refresh_token_expires_at: time.nullable(),
    next_refresh_at: time.nullable(),
    last_refreshed_at: time.nullable(),
    last_read_at: time.nullable(),
    last_error: z
      .object({ code: z.string(), concur_code: z.int().nullable(), at: time, correlation_id: z.string().nullable() })
      .nullable(),
    connected_at: time.nullable(),
    workflow_id: z.string(),
    listing_url: z.string().nullable(),
  })
  .meta({ id: 'Connection' });

export const connectionList = z
  .object({ items: z.array(connectionResource), next_cursor: z.string().nullable() })
  .meta({ id: 'ConnectionList' });

/** A connect that is looked up by its own id, because nobody knew at first whose it is. */
export const connectResource = z
  .object({
    id: z.string(),
    status: z.enum(['pending', 'connected', 'failed']),
    principal_id: z
      .string()
      .nullable()
      .meta({ format: 'uuid', description: 'Null until SAP Concur has told whose it is' }),
    code: z.string().nullable().meta({ description: 'Problem code of a connect that failed' }),
  })
  .meta({ id: 'Connect' });
export type ConnectResource = z.infer<typeof connectResource>;
export const connectionOrConnect = z.union([connectionResource, connectResource]);

export const tokenResource = z
  .object({
    access_token: z.string(),
    token_type: z.enum(['Bearer', 'OAuth']),
    expires_at: time,
    expires_in: z.int().meta({ description: 'Seconds left when this answer was made' }),
    geolocation: z.string().meta({ description: 'Base URI of every call with this token' }),
    scope: z.string(),
    version: z.int(),
  })
  .meta({ id: 'Token' });
export type TokenResource = z.infer<typeof tokenResource>;

const eventResource: z.ZodType<EventResource> = z
  .object({
    id: z.string(),
    at: time,
    type: z.string(),
    actor: z.string(),
    reason: z.string().nullable(),
    state_from: state.nullable(),
    state_to: state.nullable(),
    version: z.int(),
    concur_code: z.int().nullable(),
    correlation_id: z.string().nullable(),
    user_id: z.string().nullable(),
  })
  .meta({ id: 'Event' });

export const eventList = z
  .object({ items: z.array(eventResource), next_cursor: z.string().nullable() })
  .meta({ id: 'EventList' });

/** The one code that is for the log alone: see `problem.ts`. */
const problemCodes = Object.keys(errorTable).filter((code) => code !== 'configuration-invalid');

export const problemResource = z
  .object({
    type: z.string().meta({ format: 'uri' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(problemCodes),
    request_id: z.string(),
    fields: z.array(z.string()).optional().meta({ description: 'Names of the fields that are wrong' }),
    state: z.string().optional(),
    listing_url: z.string().optional().meta({ description: 'Where the customer connects again' }),
  })
  .meta({ id: 'Problem' });

export const jwksResource = z
  .object({
    keys: z.array(z.record(z.string(), z.unknown())).meta({ description: 'Public keys as RFC 7517 has them' }),
  })
  .meta({ id: 'KeySet' });

export const lifeResource = z.object({ status: z.literal('ok') }).meta({ id: 'Life' });

export const readinessResource = z
  .object({ ready: z.boolean(), database: z.string(), migrations: z.string(), temporal: z.string() })
  .meta({ id: 'Readiness' });
