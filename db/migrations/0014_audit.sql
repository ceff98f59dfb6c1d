-- The trail of the whole installation beside that of the connections, times that only the database sets, and an end
-- for what is older than its retention.

-- `at` is the application's word for when it happened. This one is the database's: the application's role may not set it.
ALTER TABLE connection_events ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT now();

-- Acts that belong to no single connection: clients, verification codes, apps, keys, exports.
CREATE TABLE audit_events (
  id bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL,
  type text NOT NULL,
  actor text NOT NULL,
  -- Null: of no app, or of several.
  app text COLLATE "C",
  -- Id of what was acted upon: of a client, a code, a secret, a key.
  subject text,
  reason text,
  correlation_id text,
  -- Ids and numbers that say more: never a secret.
  facts jsonb NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);

CREATE INDEX audit_events_by_app ON audit_events (app, at DESC, id DESC);

-- Rows come in the order of these times: a few pages tell whether a month holds anything young.
CREATE INDEX connection_events_by_recording ON connection_events USING brin (recorded_at);
CREATE INDEX audit_events_by_recording ON audit_events USING brin (recorded_at);

CREATE TABLE audit_events_default PARTITION OF audit_events DEFAULT;

-- The newest version of which a client's first read is on record: one row per connection and client.
CREATE TABLE token_readers (
  connection_id text NOT NULL REFERENCES connections,
  actor text NOT NULL,
  version integer NOT NULL,
  PRIMARY KEY (connection_id, actor)
);

-- Makes the partitions of both trails for the months from that of `first_day` on and returns how many are new. Runs
-- with the owner's rights, so that the application keeps ahead of the calendar without owning the tables.
CREATE OR REPLACE FUNCTION ensure_event_partitions(first_day date, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  trail text;
  month_start timestamp;
  starts timestamptz;
  ends timestamptz;
  part text;
  has_rows boolean;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('ensure_event_partitions'));
  FOREACH trail IN ARRAY ARRAY['connection_events', 'audit_events'] LOOP
    FOR i IN 0..least(months, 24) - 1 LOOP
      month_start := date_trunc('month', first_day::timestamp) + make_interval(months => i);
      starts := month_start AT TIME ZONE 'UTC';
      ends := (month_start + interval '1 month') AT TIME ZONE 'UTC';
      part := trail || '_' || to_char(month_start, 'YYYY_MM');
      CONTINUE WHEN to_regclass('public.' || part) IS NOT NULL;
      -- Rows that came before their partition stay where they are.
      EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE at >= $1 AND at < $2)', trail || '_default')
        INTO has_rows USING starts, ends;
      CONTINUE WHEN has_rows;
      EXECUTE format('CREATE TABLE public.%I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', part, trail, starts, ends);
      made := made + 1;
    END LOOP;
  END LOOP;
  RETURN made;
END
$$;

-- Drops the months of both trails that are wholly older than `retention`, and such rows of the default partitions.
-- Runs with the owner's rights and therefore trusts nobody: the present is the database's own, nothing younger than
-- 30 days goes whatever is asked, and what counts is the younger of both times, so that a row that was given
-- an old date does not vanish with it. Gives up a lock that it does not get soon: the next hour is early enough.
CREATE FUNCTION drop_expired_events(retention interval, OUT partitions integer, OUT default_rows bigint)
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
  cutoff timestamptz := now() - greatest(retention, interval '30 days');
  trail text;
  part text;
  has_young boolean;
  gone bigint;
BEGIN
  partitions := 0;
  default_rows := 0;
  PERFORM pg_advisory_xact_lock(hashtext('ensure_event_partitions'));
  FOREACH trail IN ARRAY ARRAY['connection_events', 'audit_events'] LOOP
    FOR part IN
      SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = ('public.' || trail)::regclass AND c.relname ~ ('^' || trail || '_[0-9]{4}_[0-9]{2}$')
        AND (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC' <= cutoff
      ORDER BY c.relname
    LOOP
      EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE recorded_at >= $1)', part) INTO has_young USING cutoff;
      CONTINUE WHEN has_young;
      EXECUTE format('DROP TABLE public.%I', part);
      partitions := partitions + 1;
    END LOOP;
    EXECUTE format('DELETE FROM %I WHERE at < $1 AND recorded_at < $1', trail || '_default') USING cutoff;
    GET DIAGNOSTICS gone = ROW_COUNT;
    default_rows := default_rows + gone;
  END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION drop_expired_events(interval) FROM PUBLIC;
