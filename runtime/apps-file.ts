/**
 * The apps file: the declarative list of the partner's apps. Parsed here into what the store keeps, secrets apart;
 * applying it (adds and changes, never removes) is the API's business at its start.
 */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { Secret } from '../core/secret.ts';
import type { App } from '../core/stores.ts';
import { webhookTypes } from '../core/webhooks.ts';
import type { Environment } from './environment.ts';
import { readText } from './environment.ts';
import { issueTexts } from './issue-texts.ts';
import { mayBePlain } from './network.ts';

export interface AppEntry {
  readonly app: App;
  readonly clientSecret: Secret;
}

/** Reads and parses the file at `path`; what is wrong is reported to `env` under `APPS_FILE`. */
export function readAppsFile(path: string, env: Environment, development: boolean): readonly AppEntry[] {
  const file = readText(path);
  if (!file.ok) {
    env.report('APPS_FILE', `names a file that can't be read (${file.why})`);
    return [];
  }
  return parseApps(file.text, { env, development, folder: dirname(resolve(path)) });
}

export interface AppsContext {
  /** Where the secrets named by `clientSecretEnv` are, and where problems go. */
  readonly env: Environment;
  readonly development: boolean;
  /** `clientSecretFile` is relative to it. */
  readonly folder: string;
}

/** The apps of a file's text; those that are wrong are left out, with a problem on record for each mistake. */
export function parseApps(text: string, context: AppsContext): readonly AppEntry[] {
  const report = (path: readonly PropertyKey[], message: string) =>
    context.env.report(
      `APPS_FILE${path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('')}`,
      message,
    );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    report([], 'must name a file with JSON');
    return [];
  }
  if (!Array.isArray(value)) {
    report([], 'must hold a JSON array of apps');
    return [];
  }
  const schema = appSchema(context.development);
  const seen = new Set<string>();
  return value.flatMap((entry: unknown, index) => {
    const result = schema.safeParse(entry, issueTexts);
    for (const { path, message } of result.error?.issues ?? []) report([index, ...path], message);
    // Looked for beside the schema, so that a missing secret is named together with everything else that is wrong.
    const source = secretSource.safeParse(entry);
    if (!source.success) return [];
    const clientSecret = findSecret(source.data, context, (field, message) => report([index, field], message));
    if (!result.success || clientSecret === null) return [];
    const { clientSecret: _inline, clientSecretEnv: _env, clientSecretFile: _file, ...app } = result.data;
    if (seen.has(app.app)) {
      report([index, 'app'], `is there twice: ${app.app}`);
      return [];
    }
    seen.add(app.app);
    return [{ app, clientSecret }];
  });
}

interface SecretSource {
  readonly clientSecret?: string | undefined;
  readonly clientSecretEnv?: string | undefined;
  readonly clientSecretFile?: string | undefined;
}

function findSecret(
  source: SecretSource,
  { env, development, folder }: AppsContext,
  report: (field: string, message: string) => void,
): Secret | null {
  const given = Object.entries(source).filter(([, value]) => value !== undefined);
  if (given.length !== 1) {
    report(
      'clientSecretEnv',
      'must be there, or clientSecretFile: exactly one of them says where the client secret is',
    );
    return null;
  }
  if (source.clientSecret !== undefined) {
    if (!development)
      report('clientSecret', 'is for EVERGRANT_MODE=development alone; use clientSecretEnv or clientSecretFile');
    return new Secret(source.clientSecret);
  }
  const [field, text] =
    source.clientSecretEnv !== undefined
      ? (['clientSecretEnv', env.secretText(source.clientSecretEnv)] as const)
      : (['clientSecretFile', textOf(resolve(folder, source.clientSecretFile ?? ''))] as const);
  if (text !== null && opaque.safeParse(text).success) return new Secret(text);
  const what = field === 'clientSecretEnv' ? `variable ${source.clientSecretEnv}` : 'file';
  report(
    field,
    text === null
      ? `names a ${what} that holds nothing`
      : `names a ${what} that holds no client secret (1 to 512 visible ASCII characters)`,
  );
  return null;
}

const maybeText = z.string().optional().catch(undefined);
const secretSource = z.object({ clientSecret: maybeText, clientSecretEnv: maybeText, clientSecretFile: maybeText });

function textOf(path: string): string | null {
  const file = readText(path);
  return file.ok && file.text !== '' ? file.text : null;
}

const line = (most: number) =>
  z
    .string({ error: 'must be text' })
    .trim()
    .min(1, 'must not be empty')
    .max(most, `must be at most ${most} characters`)
    .regex(/^\P{Cc}*$/u, 'must be one line');

const opaque = z
  .string({ error: 'must be text' })
  .regex(/^[\x21-\x7e]{1,512}$/, 'must be 1 to 512 visible ASCII characters');

function appSchema(development: boolean) {
  const link = (extra: { readonly mailto?: boolean } = {}) =>
    z.string({ error: 'must be text: a URL' }).refine(
      (value) => {
        const url = URL.canParse(value) ? new URL(value) : null;
        if (url === null || url.username !== '' || url.password !== '') return false;
        if (url.protocol === 'mailto:') return extra.mailto === true;
        return url.protocol === 'https:' || (url.protocol === 'http:' && mayBePlain(url, development));
      },
      `must be an https URL${extra.mailto === true ? ' or mailto:' : ''}`,
    );
  const maybeLink = (extra: { readonly mailto?: boolean } = {}) => link(extra).nullable().default(null);

  const landing = z.strictObject(
    {
      mode: z.enum(['sign-in', 'verification-code', 'confirm'], {
        error: 'must be sign-in, verification-code or confirm',
      }),
      brand: line(80),
      color: z
        .string({ error: 'must be text' })
        .regex(/^#[0-9a-fA-F]{6}$/, 'must be a colour such as #0a6ed1')
        .default('#0a6ed1'),
      logoUrl: maybeLink(),
      logoAlt: z.string({ error: 'must be text' }).max(200, 'must be at most 200 characters').default(''),
      signInUrl: maybeLink(),
      signUpUrl: maybeLink(),
      contactUrl: maybeLink({ mailto: true }),
      supportUrl: link({ mailto: true }),
      privacyUrl: link(),
      termsUrl: maybeLink(),
      manageUrl: maybeLink(),
      listingUrl: maybeLink(),
      nextSteps: z.array(line(300)).max(10, 'must be at most ten').default([]),
    },
    { error: unknownKeys('is required: an object') },
  );
  const webhook = z.strictObject({
    url: link(),
    events: z
      .array(z.enum(webhookTypes, { error: `must be one of ${webhookTypes.join(', ')}` }))
      .min(1, 'must name at least one event'),
  });

  return z
    .strictObject(
      {
        app: z.string({ error: 'is required' }).regex(/^[a-z0-9-]{1,40}$/, 'must match [a-z0-9-]{1,40}'),
        clientId: opaque,
        clientSecret: opaque.optional(),
        clientSecretEnv: z
          .string({ error: 'must be text' })
          .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable')
          .optional(),
        clientSecretFile: line(4_096).optional(),
        flow: z
          .enum(['quick-connect', 'app-center-legacy'], { error: 'must be quick-connect or app-center-legacy' })
          .default('quick-connect'),
        principal: z.enum(['company', 'user'], { error: 'must be company or user' }).default('company'),
        environment: z
          .enum(['production', 'implementation'], { error: 'must be production or implementation' })
          .default('production'),
        landing,
        webhooks: z.array(webhook, { error: 'must be an array' }).default([]),
        requiredScopes: z.array(opaque, { error: 'must be an array of scopes' }).default([]),
        legacyClientId: opaque.nullable().default(null),
        allowUnverified: z.boolean({ error: 'must be true or false' }).default(false),
        allowPasswordLogin: z.boolean({ error: 'must be true or false' }).default(false),
      },
      { error: unknownKeys('must be an object') },
    )
    .refine(({ landing }) => landing?.mode !== 'sign-in' || typeof landing.signInUrl === 'string', {
      path: ['landing', 'signInUrl'],
      error: 'is required in mode sign-in',
      when,
    })
    .refine(({ landing, allowUnverified }) => landing?.mode !== 'confirm' || development || allowUnverified === true, {
      path: ['landing', 'mode'],
      error: 'confirm names nobody: outside development it needs "allowUnverified": true',
      when,
    });
}

/** Rules over several fields are judged even when some other field is wrong. */
function when({ value }: { readonly value: unknown }): boolean {
  return typeof value === 'object' && value !== null;
}

/** `strictObject` says which keys it does not know; everything else about the object itself is `message`. */
function unknownKeys(message: string) {
  return (issue: { readonly code: string; readonly keys?: readonly string[] }) =>
    issue.code === 'unrecognized_keys' ? `has unknown fields: ${(issue.keys ?? []).join(', ')}` : message;
}
