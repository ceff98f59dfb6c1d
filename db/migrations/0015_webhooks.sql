-- What partners are told of, written in the transaction of the change itself: nothing is told that did not happen, and
-- nothing that happened is forgotten.

CREATE TABLE outbox (
  -- Goes out as `webhook-id`: the same for every try and every endpoint.
  id text PRIMARY KEY,
  app text COLLATE "C" NOT NULL REFERENCES apps,
  type text NOT NULL,
  -- The connection as it was then, without secrets; null for a test.
  connection jsonb,
  at timestamptz NOT NULL
);

CREATE INDEX outbox_by_app ON outbox (app, at);
CREATE INDEX outbox_by_age ON outbox (at);

CREATE TABLE webhook_deliveries (
  message_id text NOT NULL REFERENCES outbox ON DELETE CASCADE,
  app text COLLATE "C" NOT NULL,
  url text NOT NULL,
  status text NOT NULL CHECK (status IN ('pending', 'delivered', 'failed')),
  attempts integer NOT NULL,
  next_at timestamptz NOT NULL,
  last_status integer,
  last_error text,
  settled_at timestamptz,
  PRIMARY KEY (message_id, url)
);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_at) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (app, url, status);

-- Endpoints that answered 410: nothing is sent there until somebody says so.
CREATE TABLE disabled_webhooks (
  app text COLLATE "C" NOT NULL REFERENCES apps,
  url text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (app, url)
);

-- While two are in use a message carries a signature of each.
CREATE TABLE webhook_secrets (
  id text PRIMARY KEY,
  app text COLLATE "C" NOT NULL REFERENCES apps,
  -- Sealed under webhook_secrets:{id}:secret.
  sealed text NOT NULL,
  created_at timestamptz NOT NULL,
  retires_at timestamptz
);

CREATE INDEX webhook_secrets_by_app ON webhook_secrets (app, created_at);
