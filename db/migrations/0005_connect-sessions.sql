-- Visits of administrators, from Concur's redirect to the confirmation page, and the codes they may have to type.

CREATE TABLE connect_sessions (
  id text PRIMARY KEY,
  app text COLLATE "C" NOT NULL REFERENCES apps,
  principal text COLLATE "C" NOT NULL,
  -- Null for a connect that came without a browser.
  cookie_hash text,
  csrf text,
  user_id text,
  status text NOT NULL CHECK (status IN ('open', 'completed', 'connected', 'failed', 'lost')),
  failure text,
  code_tries integer NOT NULL DEFAULT 0,
  -- Sealed under connect_sessions:{id}:request_token; null once it is settled.
  request_token text,
  request_token_fingerprint text,
  address_fingerprint text,
  customer_ref text,
  uses integer NOT NULL DEFAULT 0,
  next_try_at timestamptz,
  created_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  CHECK (status <> 'completed' OR next_try_at IS NOT NULL)
);

CREATE INDEX connect_sessions_pending ON connect_sessions (app, principal, created_at) WHERE status = 'completed';
CREATE INDEX connect_sessions_by_request_token ON connect_sessions (app, request_token_fingerprint);
CREATE INDEX connect_sessions_unfinished ON connect_sessions (expires_at) WHERE status = 'open';

CREATE TABLE verification_codes (
  id text PRIMARY KEY,
  app text COLLATE "C" NOT NULL REFERENCES apps,
  -- HMAC under a key of the vault: the code itself is stored nowhere.
  fingerprint text NOT NULL,
  label text,
  customer_ref text,
  principal text,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  used_by_session text,
  revoked_at timestamptz,
  UNIQUE (app, fingerprint)
);

-- Wrong codes of the last hour, for the limits by address and by app.
CREATE TABLE verification_failures (
  app text COLLATE "C" NOT NULL REFERENCES apps,
  address_fingerprint text NOT NULL,
  at timestamptz NOT NULL
);

CREATE INDEX verification_failures_by_app ON verification_failures (app, at);
CREATE INDEX verification_failures_by_address ON verification_failures (address_fingerprint, at);
CREATE INDEX verification_failures_by_age ON verification_failures (at);
