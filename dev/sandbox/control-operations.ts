/** The commands of `POST /__sandbox/{name}`: one row each, with the schema that both validates and describes it. */
import { z } from 'zod';
import type { SandboxControl } from './control.ts';
import { parseDuration } from './duration.ts';
import { describeIssues } from './fault-registry.ts';
import { faultSchema } from './fault-schema.ts';
import { SandboxProblem } from './model/problem.ts';
import { disabledCodes, flows, formerHomeKinds, rotations } from './model/types.ts';
import type { App } from './model/types.ts';

export interface ControlOperation {
  readonly name: string;
  readonly summary: string;
  /** JSON Schema of the body. */
  readonly schema: () => unknown;
  /** Validates the body and carries it out; throws `SandboxProblem`. */
  run(control: SandboxControl, body: unknown): unknown;
}

function operation<S extends z.ZodType>(
  name: string,
  summary: string,
  input: S,
  run: (control: SandboxControl, input: z.output<S>) => unknown,
): ControlOperation {
  return {
    name,
    summary,
    schema: () => z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' }),
    run(control, body) {
      const parsed = input.safeParse(body);
      if (!parsed.success) throw new SandboxProblem('invalid', describeIssues(parsed.error.issues));
      return run(control, parsed.data);
    },
  };
}

const id = z.string().min(1);
const grantKey = { clientId: id, principalId: id };
const disabledCode = z.literal(disabledCodes).optional().describe('default 10');
const duration = z.union([z.number().int().min(0), z.string()]).transform((given, context) => {
  const ms = typeof given === 'number' ? given : parseDuration(given);
  if (ms !== undefined) return ms;
  context.addIssue({ code: 'custom', message: 'must be a duration such as 90s, 5m, 24h, 30d, or milliseconds' });
  return z.NEVER;
});

const newUser = {
  id: id.optional(),
  displayName: z.string().min(1).optional(),
  login: z.string().min(1).optional(),
  password: z.string().min(1).optional(),
  webServicesAdmin: z.boolean().optional(),
  hasProfile: z.boolean().optional().describe('false: the profile service answers 403 to their tokens'),
};

const target = z
  .union(
    [
      z.strictObject({ clientId: id, companyId: id.optional() }),
      z.strictObject({ companyId: id, code: disabledCode }),
      z.strictObject({ userId: id, code: disabledCode }),
    ],
    `give clientId, clientId and companyId, companyId, or userId; with the last two a code of ${disabledCodes.join(', ')}`,
  )
  .describe('an app for everybody (59), an app at one company (53), a company, or a user');

function describeApp(app: App): object {
  const { secrets, ...facts } = app;
  return { ...facts, clientSecret: secrets.at(-1)?.value };
}

function operateTarget(verb: 'disable' | 'enable') {
  return (control: SandboxControl, input: z.output<typeof target>): unknown => {
    // The union's first member has an optional company; spelled out, since the types tell the two cases apart.
    if ('clientId' in input) {
      const { clientId, companyId } = input;
      control[verb](companyId === undefined ? { clientId } : { clientId, companyId });
    } else control[verb](input);
    return {};
  };
}

export const controlOperations: readonly ControlOperation[] = [
  operation(
    'companies',
    'adds a company, with users when given',
    z.strictObject({
      id: id.optional(),
      name: z.string().min(1),
      domain: z.string().min(1).optional(),
      dataCentre: id.optional(),
      users: z.array(z.strictObject(newUser)).default([]),
    }),
    (control, { users, ...company }) => {
      const added = control.addCompany(company);
      return { ...added, users: users.map((user) => control.addUser({ ...user, companyId: added.id })) };
    },
  ),
  operation(
    'remove-company',
    'Concur forgets a company: code 100',
    z.strictObject({ companyId: id }),
    (control, input) => {
      control.removeCompany(input.companyId);
      return {};
    },
  ),
  operation('users', 'adds a user', z.strictObject({ ...newUser, companyId: id }), (control, input) =>
    control.addUser(input),
  ),
  operation(
    'apps',
    "adds a partner's app",
    z.strictObject({
      clientId: id.optional(),
      clientSecret: id.optional(),
      name: z.string().min(1).optional(),
      principalType: z.enum(['company', 'user']).optional(),
      connectUri: z.string().nullable().optional(),
      scopes: z.array(z.string().min(1)).optional(),
      rotation: z.enum(rotations).nullable().optional(),
      idToken: z.boolean().optional().describe('whether token answers carry an id_token'),
      flow: z.enum(flows).optional().describe('app-center-legacy: of before 2017'),
      legacyClientId: id.nullable().optional().describe('consumer key of the legacy app whose tokens may migrate'),
    }),
    (control, input) => describeApp(control.addApp(input)),
  ),
  operation('request-token', 'makes a request token by hand', z.strictObject(grantKey), (control, input) => {
    const token = control.requestToken(input);
    return { id: token.principalId, requestToken: token.value, expiresAt: new Date(token.expiresAtMs).toISOString() };
  }),
  operation(
    'connect',
    'presses Connect: answers the address to which the browser is sent',
    z.strictObject({
      ...grantKey,
      userId: id.optional(),
      userIdParameter: z.enum(['userId', 'userID']).optional(),
      deny: z.boolean().optional().describe('of a legacy app: back with error and error_description'),
    }),
    (control, input) => control.pressConnect(input),
  ),
  operation(
    'legacy-token',
    'a one-year token of the flow of before 2017, without any redirect',
    z.strictObject({ clientId: id, userId: id }),
    (control, input) => {
      const { value, refreshValue, expiresAtMs } = control.legacyToken(input);
      return { token: value, refreshToken: refreshValue, expiresAt: new Date(expiresAtMs).toISOString() };
    },
  ),
  operation('disconnect', 'presses Disconnect', z.strictObject(grantKey), (control, input) => ({
    ended: control.disconnect(input),
  })),
  operation('disable', 'disables an app, an app at a company, a company or a user', target, operateTarget('disable')),
  operation('enable', 'takes a disable back', target, operateTarget('enable')),
  operation(
    'maintenance',
    'scheduled maintenance of a company: code 134',
    z.strictObject({ companyId: id, on: z.boolean() }),
    (control, input) => {
      control.setMaintenance(input.companyId, input.on);
      return {};
    },
  ),
  operation(
    'move',
    'moves a company to another data centre; the old one redirects (16), serves, or forgets (100)',
    z.strictObject({ companyId: id, dataCentre: id, formerHome: z.enum(formerHomeKinds).optional() }),
    (control, input) => {
      control.move(input);
      return {};
    },
  ),
  operation(
    'new-secret',
    'a new client secret; the old one dies at once or overlaps',
    z.strictObject({ clientId: id, old: z.enum(['dies', 'overlaps']).optional(), secret: id.optional() }),
    (control, input) => ({ clientSecret: control.newSecret(input) }),
  ),
  operation(
    'deactivate-secret',
    'a client secret becomes inactive',
    z.strictObject({ clientId: id, secret: id }),
    (control, input) => {
      control.deactivateSecret(input);
      return {};
    },
  ),
  operation(
    'expire',
    'lets the access, refresh, request or one-year tokens of a grant run out now',
    z.strictObject({ ...grantKey, which: z.enum(['access', 'refresh', 'request', 'legacy']) }),
    (control, input) => ({ expired: control.expire(input) }),
  ),
  operation(
    'settings',
    "changes the sandbox's settings; answers all of them",
    z.strictObject({
      accessTokenTtl: duration.optional(),
      refreshTokenTtl: duration.optional(),
      requestTokenTtl: duration.optional(),
      requestTokenUses: z.number().int().min(1).optional(),
      rotation: z.enum(rotations).optional(),
      expiresInAs: z.enum(['string', 'number']).optional(),
      codeAs: z.enum(['string', 'number']).optional(),
      legacyTokenTtl: duration.optional(),
      legacyInstanceUrl: z.boolean().optional().describe('whether legacy answers have an Instance_Url'),
      legacyRefreshToken: z.boolean().optional().describe('whether legacy answers have a Refresh_Token'),
      legacyDateName: z.enum(['Expiration_date', 'Expiration_Date']).optional(),
      legacyErrorStatus: z.enum(['failing', 'ok']).optional().describe('status of an Error element: 4xx or 200'),
    }),
    (control, { accessTokenTtl, refreshTokenTtl, requestTokenTtl, legacyTokenTtl, ...rest }) =>
      control.set({
        ...(accessTokenTtl === undefined ? {} : { accessTokenTtlMs: accessTokenTtl }),
        ...(refreshTokenTtl === undefined ? {} : { refreshTokenTtlMs: refreshTokenTtl }),
        ...(requestTokenTtl === undefined ? {} : { requestTokenTtlMs: requestTokenTtl }),
        ...(legacyTokenTtl === undefined ? {} : { legacyTokenTtlMs: legacyTokenTtl }),
        ...definedOf(rest),
      }),
  ),
  operation(
    'rotation',
    'how refresh tokens of one app rotate; null: as the settings say',
    z.strictObject({ clientId: id, rotation: z.enum(rotations).nullable() }),
    (control, input) => {
      control.setRotation(input.clientId, input.rotation);
      return {};
    },
  ),
  operation('clock', "advances Concur's clock", z.strictObject({ advance: duration }), (control, input) => {
    control.advanceClock(input.advance);
    return { now: new Date(control.now()).toISOString() };
  }),
  operation('signing-key', 'a new key for id_tokens', z.strictObject({}), async (control) => {
    await control.rotateSigningKey();
    return {};
  }),
  operation('faults', 'switches a fault on', faultSchema, (control, input) => {
    const { id: faultId, spec } = control.fault(input);
    return { id: faultId, ...spec };
  }),
];

function definedOf<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
