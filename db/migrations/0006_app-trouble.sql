-- Trouble with an app's own credentials: seen once it is noted, seen twice it blocks the app in that data centre.
CREATE TABLE app_trouble (
  app text COLLATE "C" NOT NULL REFERENCES apps,
  data_centre text NOT NULL,
  -- Answers of the kind since the last success there.
  failures integer NOT NULL CHECK (failures > 0),
  reason text NOT NULL,
  concur_code integer,
  since timestamptz NOT NULL,
  PRIMARY KEY (app, data_centre)
);

-- When Concur took this secret after it had taken another: it is tried first.
ALTER TABLE app_secrets ADD COLUMN last_worked_at timestamptz;
