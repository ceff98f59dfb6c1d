/** What a transaction sees of the other connections when it is about a death. */

/** Whose crowd a transaction wants to see: the connections of its app in this data centre, up to now. */
export interface CrowdQuestion {
  readonly dataCentre: string;
  readonly nowMs: number;
}

/** What is known of the other connections of the same app and data centre, under a lock of both. */
export interface Crowd {
  /** Connections that are not over. */
  readonly connections: number;
  /** Others with terminal evidence within the window, since the last release. */
  readonly recentDeaths: number;
  readonly isBrakeOn: boolean;
  readonly releasedAtMs: number | null;
  /** When terminal evidence about this very connection was last put on file. */
  readonly ownEvidenceAtMs: number | null;
}
