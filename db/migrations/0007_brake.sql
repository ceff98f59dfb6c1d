-- The brake against deaths in a crowd: an incident or a restored backup must not end an app's connections.

-- When Concur last said of a connection what only a dead one is told; one row per connection.
CREATE TABLE terminal_evidence (
  connection_id text PRIMARY KEY REFERENCES connections,
  app text COLLATE "C" NOT NULL REFERENCES apps,
  data_centre text NOT NULL,
  at timestamptz NOT NULL
);

CREATE INDEX terminal_evidence_recent ON terminal_evidence (app, data_centre, at);

-- On since tripped_at, unless it was released later.
CREATE TABLE brakes (
  app text COLLATE "C" NOT NULL REFERENCES apps,
  data_centre text NOT NULL,
  tripped_at timestamptz NOT NULL,
  released_at timestamptz,
  PRIMARY KEY (app, data_centre)
);
