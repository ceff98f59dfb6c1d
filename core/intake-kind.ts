/** What a connect brings, and what follows from that. */
import type { ConcurGrant } from './concur-codes.ts';
import type { ErrorCode } from './errors.ts';

interface KindFacts {
  /** How its refusals are to be read. */
  readonly grant: Extract<ConcurGrant, 'exchange' | 'refresh'>;
  /** Where it is brought when nobody says where; null: that has to be said. */
  readonly dataCentre: string | null;
  /** What is told when SAP Concur refuses it for good. */
  readonly refused: ErrorCode;
  /**
   * Whether what was obtained with it is revoked when the connect can't be finished. What was imported is somebody's
   * grant, perhaps of another company by mistake: nobody asked for its end.
   */
  readonly isRevocable: boolean;
  /** Whether it can be brought a few times only. A refresh token can be tried until Concur calls it dead. */
  readonly hasCountedUses: boolean;
}

/**
 * A request token comes with the redirect of the App Center, or by hand; the others from partner services and the
 * command line, and a legacy code from the App Center flow of before 2017.
 */
export const intakeKinds = {
  'request-token': {
    grant: 'exchange',
    dataCentre: 'glz',
    refused: 'request-token-rejected',
    isRevocable: true,
    hasCountedUses: true,
  },
  'refresh-token': {
    grant: 'refresh',
    dataCentre: null,
    refused: 'reauthorization-required',
    isRevocable: false,
    hasCountedUses: false,
  },
  password: {
    grant: 'exchange',
    dataCentre: 'us2',
    refused: 'connect-failed',
    isRevocable: true,
    hasCountedUses: true,
  },
  'legacy-code': {
    grant: 'exchange',
    dataCentre: 'www',
    refused: 'request-token-rejected',
    isRevocable: true,
    hasCountedUses: true,
  },
  'legacy-refresh-token': {
    grant: 'exchange',
    dataCentre: 'us2',
    refused: 'connect-failed',
    isRevocable: false,
    hasCountedUses: true,
  },
} as const satisfies Readonly<Record<string, KindFacts>>;

export type IntakeKind = keyof typeof intakeKinds;

/** Where an app of the flow of before 2017 is at home. */
export function legacyInstanceOf(environment: 'production' | 'implementation'): string {
  return environment === 'implementation' ? 'implementation' : 'www';
}

/** Data centre to which a connect is brought. */
export function dataCentreOf({ kind, dataCentre }: { kind: IntakeKind; dataCentre: string | null }): string {
  return dataCentre ?? intakeKinds[kind].dataCentre ?? 'glz';
}
