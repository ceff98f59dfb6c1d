-- The partner's apps at SAP Concur, as the apps file declares them.

CREATE TABLE apps (
  app text COLLATE "C" PRIMARY KEY CHECK (app ~ '^[a-z0-9-]{1,40}$'),
  client_id text NOT NULL,
  flow text NOT NULL CHECK (flow IN ('quick-connect', 'app-center-legacy')),
  principal text NOT NULL CHECK (principal IN ('company', 'user')),
  environment text NOT NULL CHECK (environment IN ('production', 'implementation')),
  landing jsonb NOT NULL,
  webhooks jsonb NOT NULL,
  required_scopes text[] NOT NULL,
  legacy_client_id text,
  allow_unverified boolean NOT NULL,
  allow_password_login boolean NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE app_secrets (
  id text PRIMARY KEY,
  app text COLLATE "C" NOT NULL REFERENCES apps,
  -- Sealed under app_secrets:{id}:client_secret.
  sealed text NOT NULL,
  -- Keyed, so that the same secret is not added at every start.
  fingerprint text NOT NULL,
  created_at timestamptz NOT NULL,
  retired_at timestamptz,
  UNIQUE (app, fingerprint)
);
