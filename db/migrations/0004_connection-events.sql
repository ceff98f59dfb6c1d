-- The audit trail. The application's role may add and read, never change or remove (see roles.sql).

CREATE TABLE connection_events (
  id bigint GENERATED ALWAYS AS IDENTITY,
  connection_id text NOT NULL REFERENCES connections,
  at timestamptz NOT NULL,
  type text NOT NULL,
  actor text NOT NULL,
  reason text,
  state_from text,
  state_to text,
  version integer NOT NULL,
  concur_code integer,
  correlation_id text,
  user_id text,
  PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);

CREATE INDEX connection_events_by_connection ON connection_events (connection_id, at DESC, id DESC);

-- Whatever no monthly partition was made for in time: never lost, only less handy to retire.
CREATE TABLE connection_events_default PARTITION OF connection_events DEFAULT;

-- Makes the partitions of the months from that of `first_day` on and returns how many are new. Runs with the
-- owner's rights, so that the application keeps ahead of the calendar without owning the table.
CREATE FUNCTION ensure_event_partitions(first_day date, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  month_start timestamp;
  starts timestamptz;
  ends timestamptz;
  part text;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('ensure_event_partitions'));
  FOR i IN 0..least(months, 24) - 1 LOOP
    month_start := date_trunc('month', first_day::timestamp) + make_interval(months => i);
    starts := month_start AT TIME ZONE 'UTC';
    ends := (month_start + interval '1 month') AT TIME ZONE 'UTC';
    part := 'connection_events_' || to_char(month_start, 'YYYY_MM');
    CONTINUE WHEN to_regclass(part) IS NOT NULL;
    -- Rows that came before their partition stay where they are.
    CONTINUE WHEN EXISTS (SELECT FROM connection_events_default WHERE at >= starts AND at < ends);
    EXECUTE format('CREATE TABLE %I PARTITION OF connection_events FOR VALUES FROM (%L) TO (%L)', part, starts, ends);
    made := made + 1;
  END LOOP;
  RETURN made;
END
$$;

REVOKE EXECUTE ON FUNCTION ensure_event_partitions(date, integer) FROM PUBLIC;
