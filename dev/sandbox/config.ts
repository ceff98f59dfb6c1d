import { z } from 'zod';
import { demoApp } from './demo.ts';
import { parseDuration } from './duration.ts';
import type { NewApp } from './model/directory.ts';
import { flows, rotations } from './model/types.ts';
import type { Rotation } from './model/types.ts';
import type { PartnerConfig } from './pages/partner-backend.ts';

export interface SandboxConfig {
  readonly port: number;
  readonly host: string;
  readonly publicUrl: string | undefined;
  readonly accessTokenTtlMs: number;
  readonly refreshTokenTtlMs: number;
  readonly legacyTokenTtlMs: number;
  readonly rotation: Rotation;
  readonly stateFile: string | undefined;
  readonly apps: readonly NewApp[];
  readonly partner: PartnerConfig | undefined;
}

/** The environment does not say what it should; the message names every wrong value. */
export class SandboxConfigProblem extends Error {
  override readonly name = 'SandboxConfigProblem';
}

const duration = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= 1_000) return ms;
  context.addIssue({ code: 'custom', message: 'must be a duration of at least 1s, such as 90s, 5m, 24h, 30d' });
  return z.NEVER;
});

function json<S extends z.ZodType>(schema: S) {
  return z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue({ code: 'custom', message: 'is no JSON' });
        return z.NEVER;
      }
    })
    .pipe(schema);
}

const url = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });

const apps = json(
  z.array(
    z.strictObject({
      app: z.string().optional(),
      clientId: z.string().min(1),
      clientSecret: z.string().min(1),
      name: z.string().min(1).optional(),
      principalType: z.enum(['company', 'user']).optional(),
      connectUri: url.nullable().optional(),
      scopes: z.array(z.string().min(1)).optional(),
      rotation: z.enum(rotations).nullable().optional(),
      idToken: z.boolean().optional(),
      flow: z.enum(flows).optional(),
      legacyClientId: z.string().min(1).nullable().optional(),
    }),
  ),
);

const connectUris = json(
  z.array(
    z.strictObject({
      app: z.string().optional(),
      connectUri: url,
      clientId: z.string().min(1),
      name: z.string().min(1).optional(),
    }),
  ),
);

const schema = z.object({
  SANDBOX_PORT: z.coerce.number<string>('must be a port number').int().min(0).max(65_535).default(9400),
  HOST: z.string().min(1).default('127.0.0.1'),
  SANDBOX_PUBLIC_URL: url.optional(),
  SANDBOX_ACCESS_TOKEN_TTL: duration.default(3_600_000),
  SANDBOX_REFRESH_TOKEN_TTL: duration.default(180 * 86_400_000),
  SANDBOX_LEGACY_TOKEN_TTL: duration.default(365 * 86_400_000),
  SANDBOX_ROTATION: z.enum(rotations, { error: `must be one of ${rotations.join(', ')}` }).default('same'),
  SANDBOX_STATE_FILE: z.string().min(1).optional(),
  SANDBOX_APPS: apps.optional(),
  SANDBOX_CONNECT_URIS: connectUris.default([]),
  SANDBOX_PARTNER_API_URL: url.optional(),
  SANDBOX_PARTNER_TOKEN_FILE: z.string().min(1).optional(),
});

/** Reads the sandbox's variables; throws {@link SandboxConfigProblem} that names all that are wrong. */
export function parseSandboxConfig(env: Readonly<Record<string, string | undefined>>): SandboxConfig {
  const given = Object.fromEntries(Object.keys(schema.shape).flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => {
      const [name, ...path] = issue.path.map(String);
      return `  ${name}${path.map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`)).join('')}: ${issue.message}`;
    });
    throw new SandboxConfigProblem(`The sandbox's environment is wrong:\n${lines.join('\n')}`);
  }
  const values = parsed.data;
  const { SANDBOX_PARTNER_API_URL: apiUrl, SANDBOX_PARTNER_TOKEN_FILE: tokenFile } = values;
  return {
    port: values.SANDBOX_PORT,
    host: values.HOST,
    publicUrl: values.SANDBOX_PUBLIC_URL,
    accessTokenTtlMs: values.SANDBOX_ACCESS_TOKEN_TTL,
    refreshTokenTtlMs: values.SANDBOX_REFRESH_TOKEN_TTL,
    legacyTokenTtlMs: values.SANDBOX_LEGACY_TOKEN_TTL,
    rotation: values.SANDBOX_ROTATION,
    stateFile: values.SANDBOX_STATE_FILE,
    apps: mergeApps(values.SANDBOX_APPS ?? [], values.SANDBOX_CONNECT_URIS),
    partner: apiUrl === undefined || tokenFile === undefined ? undefined : { apiUrl, tokenFile },
  };
}

/** One entry per client id; without any app named, the demo app. */
function mergeApps(
  named: NonNullable<z.output<typeof apps>>,
  listings: z.output<typeof connectUris>,
): readonly NewApp[] {
  const merged = new Map<string, NewApp>();
  for (const { app, ...rest } of named) merged.set(rest.clientId, { ...rest, name: rest.name ?? app });
  for (const { app, clientId, connectUri, name } of listings) {
    const known = merged.get(clientId);
    merged.set(clientId, { ...known, clientId, connectUri, name: name ?? known?.name ?? app });
  }
  return merged.size === 0 ? [demoApp] : [...merged.values()];
}
