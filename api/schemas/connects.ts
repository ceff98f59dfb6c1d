/**
 * The bodies of a connect without a landing page: which of them it is, is told by the fields that name its secret.
 * What comes out holds no secret but masked ones.
 */
import { z } from 'zod';
import { AppError } from '../../core/errors.ts';
import type { IntakeKind } from '../../core/intake-kind.ts';
import { serializeLegacyGrant, serializeLogin } from '../../core/intake-credential.ts';
import { Secret } from '../../core/secret.ts';
import type { App } from '../../core/stores.ts';
import { parseInput } from '../input.ts';
import { customerRef, opaqueText, principalId } from './fields.ts';

/** Passwords may hold spaces and letters of any script. */
const password = z.string().regex(/^[^\p{Cc}\p{Cs}]{1,512}$/u, 'must be 1 to 512 characters, no control characters');
const username = z.string().regex(/^[^\p{Cc}\p{Cs}]{1,256}$/u, 'must be 1 to 256 characters, no control characters');
const dataCenter = z
  .string()
  .regex(/^[a-z0-9-]{1,40}$/, 'must be the name of a data centre')
  .meta({ description: 'Name of a data centre, such as us2', example: 'us2' });
const geolocation = z
  .string()
  .regex(/^[\x21-\x7e]{1,512}$/, 'must be the base URI of a data centre')
  .meta({ description: 'Base URI of a known data centre, as SAP Concur gave it with the token' });
const optionalRef = { customer_ref: customerRef.optional() };

const manualBody = z
  .strictObject({
    principal_id: principalId,
    request_token: opaqueText.meta({ description: "The company's or user's request token, at most a day old" }),
    ...optionalRef,
  })
  .meta({ id: 'ManualConnect' });

const importBody = z
  .strictObject({
    principal_id: principalId,
    refresh_token: opaqueText,
    geolocation,
    replace: z.boolean().optional().meta({ description: 'Also where a connection lives; false by default' }),
    ...optionalRef,
  })
  .meta({ id: 'ImportedConnect' });

const loginBody = z
  .strictObject({ username, password, data_center: dataCenter, ...optionalRef })
  .meta({ id: 'DeveloperLogin' });

const migrationBody = z
  .strictObject({
    legacy_refresh_token: opaqueText,
    legacy_client_id: opaqueText.optional().meta({ description: "The old consumer key; else the app's own" }),
    data_center: dataCenter.optional(),
    ...optionalRef,
  })
  .meta({ id: 'LegacyMigration' });

/** For the documentation; `parseConnectBody` validates with the one that is meant. */
export const connectBody = z.union([manualBody, importBody, loginBody, migrationBody]);

/** A connect as it was asked for, whichever of the bodies it came in. */
export interface ConnectOrder {
  readonly kind: Exclude<IntakeKind, 'legacy-code'>;
  /** Null: only SAP Concur's answer will tell. */
  readonly principal: string | null;
  /** As `Intake` takes it. Throws `bad-request` for a migration when neither body nor app names the old key. */
  readonly credential: (app: Pick<App, 'legacyClientId'>) => Secret;
  /** Name of a data centre, not looked up yet. */
  readonly dataCentre: string | null;
  /** Base URI, not looked up yet. */
  readonly geolocation: string | null;
  readonly customerRef: string | null;
  readonly replace: boolean;
  /** The whole order as text: the same for the same order. For a keyed fingerprint. */
  readonly canonical: Secret;
}

/** The fields that name a secret, and with that the kind of a body. */
const readers: Readonly<Record<string, (body: unknown) => ConnectOrder>> = {
  request_token: readManual,
  refresh_token: readImport,
  password: readLogin,
  legacy_refresh_token: readMigration,
};

/** Throws `bad-request`, which names what is wrong and quotes nothing. */
export function parseConnectBody(body: unknown): ConnectOrder {
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body);
  const named = isObject ? Object.keys(readers).filter((field) => Object.hasOwn(body, field)) : [];
  const [kind, ...others] = named;
  const read = kind === undefined ? undefined : readers[kind];
  if (read === undefined)
    throw wrong('body: must have one of request_token, refresh_token, password, legacy_refresh_token', ['body']);
  if (others.length > 0) throw wrong(`${named.join(', ')}: only one of them can be given`, named);
  return read(body);
}

function wrong(message: string, fields: readonly string[]): AppError {
  return new AppError('bad-request', message, { details: { fields } });
}

const nowhere = { principal: null, dataCentre: null, geolocation: null, replace: false };

function readManual(body: unknown): ConnectOrder {
  const given = parseInput(manualBody, body);
  const { principal_id: principal, request_token: token } = given;
  return { ...nowhere, ...frameOf(given), kind: 'request-token', principal, credential: () => new Secret(token) };
}

/** An import, also as a line of a file. Throws `bad-request`. */
export function readImport(body: unknown): ConnectOrder {
  const given = parseInput(importBody, body);
  const { principal_id: principal, refresh_token: token, geolocation: at, replace = false } = given;
  const frame = { ...nowhere, ...frameOf(given), principal, geolocation: at, replace };
  return { ...frame, kind: 'refresh-token', credential: () => new Secret(token) };
}

function readLogin(body: unknown): ConnectOrder {
  const given = parseInput(loginBody, body);
  const frame = { ...nowhere, ...frameOf(given), dataCentre: given.data_center };
  const login = { username: given.username, password: new Secret(given.password) };
  return { ...frame, kind: 'password', credential: () => serializeLogin(login) };
}

function readMigration(body: unknown): ConnectOrder {
  const given = parseInput(migrationBody, body);
  const frame = { ...nowhere, ...frameOf(given), dataCentre: given.data_center ?? null };
  return {
    ...frame,
    kind: 'legacy-refresh-token',
    credential({ legacyClientId }) {
      const oldKey = given.legacy_client_id ?? legacyClientId;
      if (oldKey === null) throw wrong('legacy_client_id: must be given, as the app has none', ['legacy_client_id']);
      const legacyRefreshToken = new Secret(given.legacy_refresh_token);
      return serializeLegacyGrant({ legacyRefreshToken, legacyClientId: oldKey });
    },
  };
}

function frameOf(given: { readonly customer_ref?: string | undefined }) {
  const sorted = Object.entries(given).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return { customerRef: given.customer_ref ?? null, canonical: new Secret(JSON.stringify(sorted)) };
}
