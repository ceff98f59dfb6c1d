/** Whose tokens are these? Asked where nobody has claimed an id beforehand. */
import type { DataCentre } from '../core/ports.ts';
import type { ActivityDeps } from './deps.ts';
import { fetchProfile, uuidOf } from './identity.ts';
import type { Obtained } from '../core/obtained.ts';

export interface Owner {
  /** Lower-case UUID; null: nobody has told. */
  readonly subject: string | null;
  readonly principalType: 'company' | 'user' | null;
  /** The tokens live on, so that the profile can be asked again. */
  readonly mayTellLater: boolean;
}

/** By the verified id_token, else by the profile, else by what the migration said. */
export async function ownerOf(
  deps: Pick<ActivityDeps, 'clock' | 'concur' | 'policy' | 'log'>,
  input: {
    readonly obtained: Obtained;
    /** Where it was obtained. */
    readonly dataCentre: DataCentre;
    readonly clientId: string;
    readonly sentAtMs: number;
  },
): Promise<Owner> {
  const { obtained, clientId, sentAtMs } = input;
  if (obtained.kind === 'grant') {
    const { subject, principalType } = obtained.grant;
    return { subject, principalType, mayTellLater: false };
  }
  const { answer } = obtained;
  const dataCentre =
    answer.geolocation === null || answer.geolocation === 'foreign' ? input.dataCentre : answer.geolocation;
  if (answer.idToken !== null) {
    const options = { horizonMs: deps.policy.concurTimeoutMs };
    const given = { dataCentre: dataCentre.name, idToken: answer.idToken, clientId, atMs: sentAtMs };
    const checked = await deps.concur.verifyIdToken(given, options);
    const subject = checked.verdict === 'valid' ? maybeUuid(checked.subject) : null;
    if (checked.verdict === 'valid' && subject !== null) {
      return { subject, principalType: checked.principalType, mayTellLater: false };
    }
  }
  const profile = await fetchProfile(deps, answer, dataCentre);
  if (profile !== null) return { subject: maybeUuid(profile.id), principalType: profile.type, mayTellLater: false };
  const expiresAtMs = sentAtMs + answer.expiresInSeconds * 1_000;
  return { subject: null, principalType: null, mayTellLater: deps.clock.now() < expiresAtMs };
}

/** Nobody could ever ask for a connection whose principal is no UUID. */
function maybeUuid(subject: string): string | null {
  const id = uuidOf(subject);
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id) ? id : null;
}
