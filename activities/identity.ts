/**
 * Whose token is it? The administrator's redirect only claims an id; the token set has to agree.
 *
 * The id_token's verified `sub` decides; without one the profile is asked. A contradiction is final. No answer in a
 * few tries is accepted and recorded as `asserted`, because Concur binds id and request token in the exchange itself.
 */
import type { DataCentre, Principal, TokenAnswer } from '../core/ports.ts';
import type { IdentityFacts } from '../core/transition.ts';
import type { ActivityDeps } from './deps.ts';

const PROFILE_TRIES = 3;
const PROFILE_PAUSE_MS = 500;

export type IdentityVerdict =
  | { readonly verdict: 'accepted'; readonly facts: IdentityFacts }
  /** `subject` is whose token it really is, where that is known. */
  | { readonly verdict: 'mismatch'; readonly subject: string | null; readonly why: string };

export async function identify(
  deps: Pick<ActivityDeps, 'clock' | 'concur' | 'policy' | 'log'>,
  input: {
    readonly answer: TokenAnswer;
    readonly dataCentre: DataCentre;
    readonly clientId: string;
    readonly principal: string;
    /** Of the app: what is believed where nothing tells. */
    readonly principalType: 'company' | 'user';
    /** When the answer came. */
    readonly atMs: number;
  },
): Promise<IdentityVerdict> {
  const { answer, dataCentre, clientId, principal, principalType, atMs } = input;
  const options = { horizonMs: deps.policy.concurTimeoutMs };
  let proven: 'company' | 'user' | null = null;
  let isProven = false;
  if (answer.idToken !== null) {
    const checked = await deps.concur.verifyIdToken(
      { dataCentre: dataCentre.name, idToken: answer.idToken, clientId, atMs },
      options,
    );
    if (checked.verdict === 'invalid') {
      // Whose it is matters all the same: what is revoked must not end somebody else's connection.
      const owner = await fetchProfile(deps, answer, dataCentre);
      return { verdict: 'mismatch', subject: owner && uuidOf(owner.id), why: `id_token: ${checked.why}` };
    }
    if (checked.verdict === 'valid') {
      const subject = uuidOf(checked.subject);
      if (subject !== principal) return { verdict: 'mismatch', subject, why: 'sub of the id_token' };
      isProven = true;
      proven = checked.principalType;
    }
  }
  const profile = await fetchProfile(deps, answer, dataCentre);
  if (profile !== null && uuidOf(profile.id) !== principal) {
    return { verdict: 'mismatch', subject: uuidOf(profile.id), why: 'id of the profile' };
  }
  return {
    verdict: 'accepted',
    facts: {
      identity: isProven || profile !== null ? 'proven' : 'asserted',
      principalType: profile?.type ?? proven ?? principalType,
      company: profile?.name == null ? null : { name: profile.name, domain: profile.domain },
    },
  };
}

/** Asks a few times; null when there was no answer. */
export async function fetchProfile(
  { clock, concur, policy, log }: Pick<ActivityDeps, 'clock' | 'concur' | 'policy' | 'log'>,
  answer: TokenAnswer,
  dataCentre: DataCentre,
): Promise<Principal | null> {
  for (let tries = 1; tries <= PROFILE_TRIES; tries += 1) {
    const result = await concur.fetchPrincipal(
      { dataCentre: dataCentre.name, accessToken: answer.accessToken, tokenType: answer.tokenType },
      { horizonMs: policy.concurTimeoutMs },
    );
    if (result.ok) return result.value;
    log.warn({ tries, failure: result.failure, correlationId: result.correlationId }, 'the profile could not be read');
    if (tries < PROFILE_TRIES) await clock.sleep(PROFILE_PAUSE_MS * tries);
  }
  return null;
}

/** In lower case, as a connection's key has it; the `sub` of some tokens is a URL that ends in the UUID. */
export function uuidOf(subject: string): string {
  return subject.toLowerCase().split('/').at(-1) ?? '';
}
