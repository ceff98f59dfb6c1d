-- What callers of the API gave a name, so that the same again is done once and answered alike.

CREATE TABLE idempotency_keys (
  app text COLLATE "C" NOT NULL REFERENCES apps,
  client_id text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  -- HMAC of the body under a key of the vault: the body, which holds secrets, is stored nowhere.
  fingerprint text NOT NULL,
  -- The connect session of the first call and of every one after it.
  session_id text NOT NULL,
  -- Who is at work on it, and until when nobody else may be.
  claim_id text,
  claimed_until timestamptz,
  -- The first answer: status, location and resource, or the code of a problem.
  answer jsonb,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (app, client_id, key),
  CHECK ((claim_id IS NULL) = (claimed_until IS NULL))
);

CREATE INDEX idempotency_keys_by_end ON idempotency_keys (expires_at);
