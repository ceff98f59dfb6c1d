-- One row per app and principal, with the grant on file; tokens and attempts beside it.

CREATE TABLE connections (
  id text PRIMARY KEY,
  app text COLLATE "C" NOT NULL REFERENCES apps,
  principal text COLLATE "C" NOT NULL
    CHECK (principal ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'),
  principal_type text NOT NULL CHECK (principal_type IN ('company', 'user', 'legacy-user')),
  state text NOT NULL CHECK (state IN (
    'connecting', 'active', 'retrying', 'suspended', 'blocked', 'paused', 'revoking',
    'reauthorization-required', 'revoked', 'connect-failed')),
  state_since timestamptz NOT NULL,
  reason text,
  resume_state text CHECK (resume_state IN ('active', 'retrying', 'suspended')),
  version integer NOT NULL CHECK (version >= 0),
  data_centre text,
  geolocation text,
  scope text,
  missing_scopes text[] NOT NULL,
  company_name text,
  company_domain text,
  customer_ref text,
  identity text CHECK (identity IN ('proven', 'asserted')),
  access_token_sent_at timestamptz,
  access_token_expires_at timestamptz,
  refresh_token_expires_at timestamptz,
  connected_at timestamptz,
  last_refreshed_at timestamptz,
  rotations_on_day integer NOT NULL,
  last_read_at timestamptz,
  next_action_at timestamptz,
  paused_until timestamptz,
  failure_count integer NOT NULL,
  suspected_since timestamptz,
  last_error_code text,
  last_error_concur_code integer,
  last_error_at timestamptz,
  last_error_correlation_id text,
  created_at timestamptz NOT NULL,

  -- The grant: sealed refresh tokens, each with the attempt that obtained it (part of its sealing context).
  current_token text,
  current_token_attempt text,
  current_token_refused boolean,
  previous_token text,
  previous_token_attempt text,
  previous_token_refused boolean,

  -- Also serves lists: within an app they are ordered by principal.
  UNIQUE (app, principal),
  CHECK ((last_error_code IS NULL) = (last_error_at IS NULL)),
  CHECK ((current_token IS NULL) = (current_token_attempt IS NULL)),
  CHECK ((current_token IS NULL) = (current_token_refused IS NULL)),
  CHECK ((previous_token IS NULL) = (previous_token_attempt IS NULL)),
  CHECK ((previous_token IS NULL) = (previous_token_refused IS NULL))
);

CREATE INDEX connections_by_state ON connections (app, state, principal);
CREATE INDEX connections_by_data_centre ON connections (app, data_centre, principal);
CREATE INDEX connections_by_customer_ref ON connections (app, customer_ref, principal) WHERE customer_ref IS NOT NULL;
-- For the reconciler: what should have acted by now.
CREATE INDEX connections_due ON connections (next_action_at) WHERE state NOT IN ('revoked', 'connect-failed');

CREATE TABLE access_tokens (
  connection_id text PRIMARY KEY REFERENCES connections,
  sealed text NOT NULL,
  attempt_id text NOT NULL,
  token_type text NOT NULL CHECK (token_type IN ('Bearer', 'OAuth')),
  expires_at timestamptz
);

CREATE INDEX access_tokens_expired ON access_tokens (expires_at);

CREATE TABLE refresh_attempts (
  id text PRIMARY KEY,
  connection_id text NOT NULL REFERENCES connections,
  kind text NOT NULL CHECK (kind IN ('refresh', 'exchange', 'revoke')),
  status text NOT NULL CHECK (status IN ('open', 'uncertain', 'received', 'lost', 'done')),
  version_read integer NOT NULL,
  token_attempt_id text,
  session_id text,
  started_at timestamptz NOT NULL,
  horizon_at timestamptz NOT NULL,
  -- The whole answer of Concur, sealed, until it is finished.
  answer text,
  -- A refresh token that came too late to become current.
  candidate text,
  candidate_attempt text,
  candidate_refused boolean,
  CHECK ((candidate IS NULL) = (candidate_attempt IS NULL)),
  CHECK ((candidate IS NULL) = (candidate_refused IS NULL))
);

-- What a transaction on a connection loads, and what is left to be deleted in time.
CREATE INDEX refresh_attempts_unsettled ON refresh_attempts (connection_id, started_at DESC)
  WHERE status <> 'done' OR candidate IS NOT NULL;
CREATE INDEX refresh_attempts_settled ON refresh_attempts (started_at) WHERE status = 'done' AND candidate IS NULL;
CREATE INDEX refresh_attempts_by_connection ON refresh_attempts (connection_id);
