import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import type { FaultPlan, PlannedWait } from './fault-registry.ts';
import type { Alteration, Outcome } from './fault-schema.ts';
import type { ConcurModel } from './model/concur-model.ts';
import type { IdTokenSigner } from './protocol/id-token.ts';
import { buildCodeResponse } from './protocol/refusal-response.ts';
import { jsonResponse } from './protocol/wire.ts';
import type { WireResponse } from './protocol/wire.ts';
import { readOwnXml, xmlResponse } from './protocol/xml.ts';
import type { XmlDocument } from './protocol/xml.ts';

/** What becomes of a call: an answer, a part of one, a reset connection, or nothing at all. */
export type Delivery =
  | { readonly kind: 'answer' | 'truncate'; readonly response: WireResponse; readonly processed: boolean }
  | { readonly kind: 'drop' | 'silence'; readonly processed: boolean };

interface EffectContext {
  readonly model: ConcurModel;
  readonly signer: IdTokenSigner;
  /** Ends waits early: the caller has gone, or the sandbox closes. */
  readonly signal: AbortSignal;
}

const STRANGER = '00000000-dead-4bad-8bad-00000000feed';

/** Plays a plan around the real work; without faults that is `process` alone. */
export async function performCall(
  context: EffectContext,
  plan: FaultPlan,
  process: () => Promise<WireResponse>,
): Promise<Delivery> {
  await waitAll(plan.before, context.signal);
  const { outcome } = plan;
  if (outcome === null || actsFirst(outcome)) {
    const response = await alter(context, await process(), plan.alterations);
    await waitAll(plan.after, context.signal);
    if (outcome === null) return { kind: 'answer', response, processed: true };
    if (outcome.kind === 'truncate') return { kind: 'truncate', response, processed: true };
    return { kind: outcome.kind === 'never-answer' ? 'silence' : 'drop', processed: true };
  }
  await waitAll(plan.after, context.signal);
  if (outcome.kind === 'drop') return { kind: 'drop', processed: false };
  if (outcome.kind === 'never-answer') return { kind: 'silence', processed: false };
  return { kind: 'answer', response: cannedResponse(context.model, outcome), processed: false };
}

function actsFirst(outcome: Outcome): boolean {
  return (
    outcome.kind === 'process-then-drop' ||
    outcome.kind === 'truncate' ||
    (outcome.kind === 'never-answer' && outcome.processed)
  );
}

async function waitAll(waits: readonly PlannedWait[], signal: AbortSignal): Promise<void> {
  for (const wait of waits) {
    if (wait.kind === 'delay') await sleep(wait.ms, undefined, { signal });
    else await untilOpen(wait.gate, signal);
  }
}

async function untilOpen(gate: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([gate, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function cannedResponse(model: ConcurModel, outcome: Outcome): WireResponse {
  switch (outcome.kind) {
    case 'answer':
      return {
        status: outcome.status,
        headers: { 'content-type': outcome.contentType, ...outcome.headers },
        body: outcome.body,
      };
    case 'html-503':
      return html(
        503,
        '<html><head><title>503 Service Unavailable</title></head><body>Service Unavailable</body></html>',
      );
    case 'rate-limit': {
      const response = jsonResponse(429, { error: 'too_many_requests', error_description: 'rate limit exceeded' });
      if (outcome.retryAfterSeconds === undefined) return response;
      return { ...response, headers: { ...response.headers, 'retry-after': String(outcome.retryAfterSeconds) } };
    }
    case 'not-json':
      return html(200, '<html><body>Welcome to the corporate proxy</body></html>');
    case 'code':
      return buildCodeResponse(model, outcome.code, {
        status: outcome.status ?? null,
        geolocation: outcome.geolocation ?? null,
      });
    default:
      throw new TypeError(`${outcome.kind} has no answer of its own`);
  }
}

function html(status: number, body: string): WireResponse {
  return { status, headers: { 'content-type': 'text/html' }, body };
}

async function alter(
  context: EffectContext,
  response: WireResponse,
  alterations: readonly Alteration[],
): Promise<WireResponse> {
  if (alterations.length === 0 || response.status !== 200 || response.body === '') return response;
  const xml = readOwnXml(response.body);
  if (xml !== null) return { ...xmlResponse(200, alterXml(xml, alterations)), headers: response.headers };
  const body = JSON.parse(response.body) as Record<string, unknown>;
  for (const alteration of alterations) await alterBody(context, body, alteration);
  return { ...response, body: JSON.stringify(body) };
}

/** What the flow of before 2017 has of these, under its own names; the rest means nothing there. */
function alterXml({ root, texts }: XmlDocument, alterations: readonly Alteration[]): XmlDocument {
  const altered: Record<string, string> = { ...texts };
  const set = (name: string, value: unknown): void => {
    if (value === null) delete altered[name];
    else altered[name] = typeof value === 'string' ? value : JSON.stringify(value);
  };
  for (const alteration of alterations) {
    if (alteration.kind === 'without-access-token') set('Token', null);
    else if (alteration.kind === 'without-refresh-token') set('Refresh_Token', null);
    else if (alteration.kind === 'without-geolocation') set('Instance_Url', null);
    else if (alteration.kind === 'geolocation') set('Instance_Url', alteration.value);
    else if (alteration.kind === 'fields') for (const [name, value] of Object.entries(alteration.set)) set(name, value);
  }
  return { root, texts: altered };
}

async function alterBody(context: EffectContext, body: Record<string, unknown>, alteration: Alteration): Promise<void> {
  switch (alteration.kind) {
    case 'without-access-token':
      delete body['access_token'];
      return;
    case 'without-refresh-token':
      delete body['refresh_token'];
      delete body['refresh_expires_in'];
      return;
    case 'without-id-token':
      delete body['id_token'];
      return;
    case 'without-refresh-expires-in':
      delete body['refresh_expires_in'];
      return;
    case 'without-geolocation':
      delete body['geolocation'];
      return;
    case 'expires-in':
      body['expires_in'] = alteration.value;
      return;
    case 'geolocation':
      body['geolocation'] = alteration.value;
      return;
    case 'decorated-geolocation':
      body['geolocation'] = decorated(String(body['geolocation']));
      return;
    case 'wrong-subject': {
      const subject = alteration.subject ?? STRANGER;
      if ('id' in body) body['id'] = subject;
      return resign(context, body, { sub: subject });
    }
    case 'wrong-audience':
      return resign(context, body, { aud: alteration.audience ?? 'another-app' });
    case 'expired-id-token': {
      const past = Math.floor(context.model.now() / 1000) - 86_400;
      return resign(context, body, { iat: past, nbf: past, exp: past + 3_600 });
    }
    case 'bad-id-token-signature': {
      const idToken = body['id_token'];
      if (typeof idToken === 'string') body['id_token'] = withOtherSignature(idToken);
      return;
    }
    case 'fields':
      for (const [name, value] of Object.entries(alteration.set)) {
        if (value === null) delete body[name];
        else body[name] = value;
      }
  }
}

async function resign(context: EffectContext, body: Record<string, unknown>, claims: object): Promise<void> {
  const idToken = body['id_token'];
  if (typeof idToken !== 'string') return;
  const altered = await context.signer.sign({ ...decodeJwt(idToken), ...claims });
  context.model.ledger.record('id-token', altered, context.model.now());
  body['id_token'] = altered;
}

function withOtherSignature(jwt: string): string {
  const at = jwt.lastIndexOf('.') + 1;
  return `${jwt.slice(0, at)}${[...jwt.slice(at)].reverse().join('')}`;
}

function decorated(geolocation: string): string {
  const url = new URL(geolocation);
  return `${url.protocol.toUpperCase()}//${url.host.toUpperCase()}${url.pathname.replace(/\/$/, '')}/profile/v1/`;
}
