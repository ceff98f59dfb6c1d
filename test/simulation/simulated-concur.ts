/**
 * SAP Concur and the way to it: the sandbox's model behind an `Http` port that delivers bytes late, garbled, or not at
 * all. What Concur does is done whether or not anybody hears of it.
 */
import type { Http, HttpRequest, HttpResponse } from '../../core/ports.ts';
import { ConcurModel } from '../../dev/sandbox/model/concur-model.ts';
import type { App, Company } from '../../dev/sandbox/model/types.ts';
import { createConcurService } from '../../dev/sandbox/protocol/concur-service.ts';
import { TransportError } from '../../concur/transport-error.ts';
import { NOW_MS, PRINCIPAL } from './builders.ts';
import type { Execution } from './executions.ts';
import type { Process } from './fleet.ts';
import { createModelHttp } from './model-http.ts';
import type { CallFault, Phase, Plan } from './plan.ts';
import type { Prng } from './prng.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

export const ORIGIN = 'https://concur.test';
export const DATA_CENTRES = ['glz', 'us2', 'eu2'];

/** A call to the token endpoint, from its sending to its known end. */
export interface TokenCall {
  readonly execution: Execution;
  /** When the process asked for it, and when it left. */
  readonly askedAtMs: number;
  readonly sentAtMs: number;
  /** The socket is read until then. */
  readonly untilMs: number;
  /** The refresh or request token that was sent. */
  readonly token: string;
  readonly isRefresh: boolean;
  /** The caller knows how it ended. */
  isOver: boolean;
}

/** Who wants to know what goes over the wire. */
export interface WireWitness {
  sent(call: TokenCall): void;
  /** Concur has carried it out, whoever hears of it. */
  granted(call: TokenCall, response: HttpResponse): void;
  /** An answer has reached the process that asked. */
  answered(call: TokenCall, response: HttpResponse): void;
}

export interface SimulatedConcur {
  readonly model: ConcurModel;
  readonly app: App;
  readonly company: Company;
  /** Phases that hold now. */
  readonly phases: Set<Phase>;
  begin(phase: Phase): void;
  end(phase: Phase): void;
  /** No call goes wrong any more. */
  heal(): void;
  /** What the network is for one execution of an activity. */
  httpOf(execution: Execution): Http;
  witness: WireWitness | null;
  /** An answer has come, and nothing has been done with it. */
  onAnswer: (holder: Process) => void;
}

interface Deps {
  readonly prng: Prng;
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly plan: Plan;
  readonly passes: (execution: Execution, where: string) => Promise<void>;
}

/** A data centre that has lost sight of a company answers so, for less than an hour. */
type Fault = CallFault | 'principal-unknown';

export const CLIENT_SECRET = 'hunter2';
/** Concur carries out what it got within this; the socket is read longer. */
const LONGEST_WORK_MS = 120_000;

export function createSimulatedConcur(deps: Deps): SimulatedConcur {
  const { prng, timeline, trace, plan } = deps;
  const model = new ConcurModel({
    clock: { now: () => NOW_MS + timeline.nowMs() },
    rng: prng,
    dataCentres: DATA_CENTRES,
    baseUri: (dataCentre) => `${ORIGIN}/${dataCentre}`,
    settings: { rotation: plan.rotation },
    secretLimit: 1,
  });
  const company = model.directory.addCompany({
    id: PRINCIPAL,
    name: 'Aurora',
    domain: 'aurora.example',
    dataCentre: 'us2',
  });
  // Without an id_token, as some company responses are: no signature has to be computed beside the event loop.
  const app = model.directory.addApp({ clientSecret: CLIENT_SECRET, connectUri: `${ORIGIN}/connect`, idToken: false });
  const unsigned = { sign: () => Promise.reject(new Error('no id_token here')), jwks: async () => ({ keys: [] }) };
  const wire = createModelHttp(createConcurService(model, unsigned), { origin: ORIGIN });
  let isHealed = false;

  const fault = (): Fault | null => {
    if (isHealed) return null;
    if (concur.phases.has('stale-data-centre')) return 'principal-unknown';
    if (concur.phases.has('outage')) return prng.pick(['http-503', 'unreachable', 'gateway-html', 'silent'] as const);
    if (concur.phases.has('slow-outage')) return prng.pick(['slow', 'silent', 'gateway-timeout'] as const);
    return prng.chance(plan.callFaultChance) ? prng.pick(plan.callFaults) : null;
  };

  /** A 200 is a confirmation to a revoke, whatever is in it. */
  const faultOf = (request: HttpRequest): Fault | null => {
    const kind = fault();
    return request.method === 'DELETE' && (kind === 'malformed' || kind === 'no-tokens') ? 'silent' : kind;
  };

  async function send(execution: Execution, request: HttpRequest, options: Parameters<Http['send']>[1]) {
    const { process } = execution;
    const askedAtMs = timeline.nowMs();
    await deps.passes(execution, 'the wire, before sending');
    const kind = faultOf(request);
    if (kind === 'unreachable') throw new TransportError(prng.pick(['dns', 'refused', 'tls'] as const), false, kind);
    if (kind === 'reset-before-sending') throw new TransportError('reset', false, kind);
    const startedAtMs = timeline.nowMs();
    options.onSent?.();
    const call = buildTokenCall(execution, request, {
      askedAtMs,
      sentAtMs: startedAtMs,
      untilMs: askedAtMs + options.horizonMs,
    });
    if (call !== null) concur.witness?.sent(call);
    if (kind !== null) trace.note(`${execution.name} meets ${kind}`);

    const isCarriedOut = carriesOut(kind);
    const workMs = kind === 'slow' ? prng.spread(5_000, LONGEST_WORK_MS) : prng.spread(5, 400);
    const response = new Promise<HttpResponse>((resolve) => {
      timeline.at(startedAtMs + workMs, () => {
        const done = isCarriedOut ? wire.send(request, { horizonMs: options.horizonMs }) : Promise.resolve(null);
        const answered = done.then((answer) => {
          if (call !== null && answer !== null) concur.witness?.granted(call, answer);
          return respond(kind, answer);
        });
        void answered.then(
          (answer) => answer !== 'nothing' && void process.clock.sleep(prng.spread(2, 200)).then(() => resolve(answer)),
          // A promise that was rejected is what the caller gets, a little later.
          () => void process.clock.sleep(prng.spread(2, 200)).then(() => resolve(answered as Promise<never>)),
        );
      });
    });
    const leftMs = options.horizonMs - (timeline.nowMs() - askedAtMs);
    const given = new AbortController();
    const horizon = process.clock.sleep(leftMs, given.signal).then(
      () => Promise.reject(new TransportError('timeout', true, 'horizon')),
      () => new Promise<never>(() => {}),
    );
    const answer = await Promise.race([response, horizon]).finally(() => given.abort());
    // From here on the answer is in the hands of the process.
    if (call !== null) {
      call.isOver = true;
      concur.witness?.answered(call, answer);
    }
    if (call !== null) concur.onAnswer(process);
    await deps.passes(execution, 'the wire, with an answer');
    return answer;
  }

  function carriesOut(kind: Fault | null): boolean {
    switch (kind) {
      case null:
      case 'slow':
        return true;
      case 'reset-after-sending':
      case 'silent':
      case 'http-503':
      case 'gateway-timeout':
      case 'gateway-html':
      case 'malformed':
        return prng.chance(0.5);
      default:
        return false;
    }
  }

  function respond(kind: Fault | null, answer: HttpResponse | null): HttpResponse | 'nothing' {
    switch (kind) {
      case null:
      case 'slow':
        if (answer === null) throw new Error('nothing was carried out');
        return answer;
      case 'principal-unknown':
        return { status: 400, headers: {}, body: '{"code":100,"error":"invalid_request"}' };
      case 'reset-after-sending':
        throw new TransportError('reset', true, kind);
      case 'silent':
        return 'nothing';
      case 'http-503':
        return { status: 503, headers: {}, body: '' };
      case 'http-503-retry-after':
        return { status: 503, headers: { 'retry-after': String(prng.spread(1, 900)) }, body: 'later' };
      case 'gateway-html':
        return { status: 502, headers: { 'content-type': 'text/html' }, body: '<html>Bad Gateway</html>' };
      case 'gateway-timeout':
        return { status: 504, headers: { 'content-type': 'text/html' }, body: '<html>Gateway Timeout</html>' };
      case 'rate-limited':
        return prng.chance(0.5)
          ? { status: 429, headers: { 'retry-after': String(prng.spread(1, 120)) }, body: '{}' }
          : { status: 429, headers: {}, body: '{}' };
      case 'malformed':
        return { status: 200, headers: {}, body: prng.pick(['', '{"access_tok', '<html>']) };
      case 'no-tokens':
        return { status: 200, headers: {}, body: '{"scope":"","expires_in":"3600"}' };
      case 'unknown-code':
        return { status: 400, headers: {}, body: '{"code":987,"error":"invalid_grant"}' };
      case 'lives-elsewhere':
        return { status: 400, headers: {}, body: `{"code":16,"geolocation":"https://evil.test"}` };
      case 'unreachable':
      case 'reset-before-sending':
        throw new Error('never sent');
    }
  }

  const concur: SimulatedConcur = {
    model,
    app,
    company,
    witness: null,
    onAnswer: () => {},
    phases: new Set(),
    begin(phase) {
      if (concur.phases.has(phase)) return;
      concur.phases.add(phase);
      trace.note(`Concur: ${phase} begins`);
      set(phase, true);
    },
    end(phase) {
      if (!concur.phases.delete(phase)) return;
      trace.note(`Concur: ${phase} is over`);
      set(phase, false);
    },
    heal() {
      isHealed = true;
      for (const phase of [...concur.phases]) concur.end(phase);
    },
    httpOf: (execution) => ({ send: (request, options) => send(execution, request, options) }),
  };

  function set(phase: Phase, isOn: boolean): void {
    const { directory } = model;
    if (phase === 'app-disabled-by-customer') directory.setAppEnabledAt(app.clientId, company.id, !isOn);
    if (phase === 'principal-disabled') directory.setDisabled(company.id, isOn ? 10 : null);
    if (phase === 'maintenance') directory.setMaintenance(company.id, isOn);
    if (phase === 'client-disabled') directory.setAppEnabled(app.clientId, !isOn);
    const secret = app.secrets[0];
    if (phase === 'client-secret-wrong' && secret !== undefined) secret.active = !isOn;
  }

  return concur;
}

/** What a token request is about; null for the other endpoints. */
function buildTokenCall(
  execution: Execution,
  request: HttpRequest,
  times: Pick<TokenCall, 'askedAtMs' | 'sentAtMs' | 'untilMs'>,
): TokenCall | null {
  if (request.method !== 'POST' || request.body === undefined) return null;
  const form = new URLSearchParams(request.body);
  const refresh = form.get('refresh_token');
  return {
    execution,
    ...times,
    isRefresh: refresh !== null,
    token: refresh ?? form.get('password') ?? '',
    isOver: false,
  };
}
