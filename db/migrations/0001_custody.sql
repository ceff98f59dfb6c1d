-- What this database belongs to, and the keys its secrets are sealed under.

CREATE TABLE installation (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  mode text NOT NULL CHECK (mode IN ('development', 'production')),
  -- Fingerprint of the key-encryption key that was current at first use: never the key.
  kek_fingerprint text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE data_keys (
  kid text PRIMARY KEY,
  -- 'seal' keys are rotated; the 'fingerprint' key stays, or nothing it made could be found again.
  purpose text NOT NULL CHECK (purpose IN ('seal', 'fingerprint')),
  kek_kid text NOT NULL,
  -- JWE under the key-encryption key.
  wrapped text NOT NULL,
  current boolean NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX data_keys_one_current ON data_keys (purpose) WHERE current;

CREATE TABLE issuer_keys (
  kid text PRIMARY KEY,
  public_jwk jsonb NOT NULL,
  -- Sealed under issuer_keys:{kid}:private_jwk.
  sealed_private_jwk text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE clients (
  id text PRIMARY KEY,
  name text NOT NULL,
  scopes text[] NOT NULL,
  all_apps boolean NOT NULL,
  apps text[] NOT NULL CHECK (NOT all_apps OR apps = '{}'),
  -- Null: every principal of its apps.
  principals text[],
  -- Public key of a client that signs its own tokens.
  jwk jsonb,
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  revoked_at timestamptz
);
