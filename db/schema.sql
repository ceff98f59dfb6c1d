-- Generated from db/migrations; do not edit.

CREATE TABLE access_tokens (
  connection_id text NOT NULL,
  sealed text NOT NULL,
  attempt_id text NOT NULL,
  token_type text NOT NULL,
  expires_at timestamp with time zone,
  CONSTRAINT access_tokens_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id),
  CONSTRAINT access_tokens_pkey PRIMARY KEY (connection_id),
  CONSTRAINT access_tokens_token_type_check CHECK ((token_type = ANY (ARRAY['Bearer'::text, 'OAuth'::text])))
);

CREATE TABLE app_secrets (
  id text NOT NULL,
  app text COLLATE "C" NOT NULL,
  sealed text NOT NULL,
  fingerprint text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  retired_at timestamp with time zone,
  last_worked_at timestamp with time zone,
  CONSTRAINT app_secrets_app_fingerprint_key UNIQUE (app, fingerprint),
  CONSTRAINT app_secrets_app_fkey FOREIGN KEY (app) REFERENCES apps(app),
  CONSTRAINT app_secrets_pkey PRIMARY KEY (id)
);

CREATE TABLE app_trouble (
  app text COLLATE "C" NOT NULL,
  data_centre text NOT NULL,
  failures integer NOT NULL,
  reason text NOT NULL,
  concur_code integer,
  since timestamp with time zone NOT NULL,
  CONSTRAINT app_trouble_app_fkey FOREIGN KEY (app) REFERENCES apps(app),
  CONSTRAINT app_trouble_failures_check CHECK ((failures > 0)),
  CONSTRAINT app_trouble_pkey PRIMARY KEY (app, data_centre)
);

CREATE TABLE apps (
  app text COLLATE "C" NOT NULL,
  client_id text NOT NULL,
  flow text NOT NULL,
  principal text NOT NULL,
  environment text NOT NULL,
  landing jsonb NOT NULL,
  webhooks jsonb NOT NULL,
  required_scopes text[] NOT NULL,
  legacy_client_id text,
  allow_unverified boolean NOT NULL,
  allow_password_login boolean NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT apps_app_check CHECK ((app ~ '^[a-z0-9-]{1,40}$'::text)),
  CONSTRAINT apps_environment_check CHECK ((environment = ANY (ARRAY['production'::text, 'implementation'::text]))),
  CONSTRAINT apps_flow_check CHECK ((flow = ANY (ARRAY['quick-connect'::text, 'app-center-legacy'::text]))),
  CONSTRAINT apps_pkey PRIMARY KEY (app),
  CONSTRAINT apps_principal_check CHECK ((principal = ANY (ARRAY['company'::text, 'user'::text])))
);

CREATE TABLE audit_events (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  at timestamp with time zone NOT NULL,
  type text NOT NULL,
  actor text NOT NULL,
  app text COLLATE "C",
  subject text,
  reason text,
  correlation_id text,
  facts jsonb NOT NULL,
  recorded_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT audit_events_pkey PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);

CREATE TABLE brakes (
  app text COLLATE "C" NOT NULL,
  data_centre text NOT NULL,
  tripped_at timestamp with time zone NOT NULL,
  released_at timestamp with time zone,
  CONSTRAINT brakes_app_fkey FOREIGN KEY (app) REFERENCES apps(app),
  CONSTRAINT brakes_pkey PRIMARY KEY (app, data_centre)
);

CREATE TABLE clients (
  id text NOT NULL,
  name text NOT NULL,
  scopes text[] NOT NULL,
  all_apps boolean NOT NULL,
  apps text[] NOT NULL,
  principals text[],
  jwk jsonb,
  created_at timestamp with time zone NOT NULL,
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  CONSTRAINT clients_check CHECK (((NOT all_apps) OR (apps = '{}'::text[]))),
  CONSTRAINT clients_pkey PRIMARY KEY (id)
);

CREATE TABLE connect_sessions (
  id text NOT NULL,
  app text COLLATE "C" NOT NULL,
  principal text COLLATE "C",
  cookie_hash text,
  csrf text,
  user_id text,
  status text NOT NULL,
  failure text,
  code_tries integer DEFAULT 0 NOT NULL,
  request_token text,
  request_token_fingerprint text,
  address_fingerprint text,
  customer_ref text,
  uses integer DEFAULT 0 NOT NULL,
  next_try_at timestamp with time zone,
  created_at timestamp with time zone NOT NULL,
  last_seen_at timestamp with time zone NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  ref text,
  ticket_id text,
  ticket_customer_ref text,
  ticket_expires_at timestamp with time zone,
  ticket_presented_at timestamp with time zone,
  kind text DEFAULT 'request-token'::text NOT NULL,
  actor text,
  data_centre text,
  answer text,
  answer_sent_at timestamp with time zone,
  open_until timestamp with time zone,
  CONSTRAINT connect_sessions_app_fkey FOREIGN KEY (app) REFERENCES apps(app),
  CONSTRAINT connect_sessions_check CHECK (((status <> 'completed'::text) OR (next_try_at IS NOT NULL))),
  CONSTRAINT connect_sessions_check1 CHECK (((ticket_id IS NULL) = (ticket_customer_ref IS NULL))),
  CONSTRAINT connect_sessions_check2 CHECK (((ticket_id IS NULL) = (ticket_expires_at IS NULL))),
  CONSTRAINT connect_sessions_check3 CHECK (((ticket_id IS NOT NULL) OR (ticket_presented_at IS NULL))),
  CONSTRAINT connect_sessions_check4 CHECK (((cookie_hash IS NULL) OR (ref IS NOT NULL))),
  CONSTRAINT connect_sessions_check5 CHECK (((answer IS NULL) = (answer_sent_at IS NULL))),
  CONSTRAINT connect_sessions_check6 CHECK (((principal IS NOT NULL) OR (kind <> 'request-token'::text))),
  CONSTRAINT connect_sessions_check7 CHECK (((principal IS NULL) OR (answer IS NULL))),
  CONSTRAINT connect_sessions_kind_check CHECK ((kind = ANY (ARRAY['request-token'::text, 'refresh-token'::text, 'password'::text, 'legacy-code'::text, 'legacy-refresh-token'::text]))),
  CONSTRAINT connect_sessions_pkey PRIMARY KEY (id),
  CONSTRAINT connect_sessions_ref_key UNIQUE (ref),
  CONSTRAINT connect_sessions_status_check CHECK ((status = ANY (ARRAY['open'::text, 'completed'::text, 'connected'::text, 'failed'::text, 'lost'::text])))
);

CREATE TABLE connection_events (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  connection_id text NOT NULL,
  at timestamp with time zone NOT NULL,
  type text NOT NULL,
  actor text NOT NULL,
  reason text,
  state_from text,
  state_to text,
  version integer NOT NULL,
  concur_code integer,
  correlation_id text,
  user_id text,
  recorded_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT connection_events_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id),
  CONSTRAINT connection_events_pkey PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);

CREATE TABLE connections (
  id text NOT NULL,
  app text COLLATE "C" NOT NULL,
  principal text COLLATE "C" NOT NULL,
  principal_type text NOT NULL,
  state text NOT NULL,
  state_since timestamp with time zone NOT NULL,
  reason text,
  resume_state text,
  version integer NOT NULL,
  data_centre text,
  geolocation text,
  scope text,
  missing_scopes text[] NOT NULL,
  company_name text,
  company_domain text,
  customer_ref text,
  identity text,
  access_token_sent_at timestamp with time zone,
  access_token_expires_at timestamp with time zone,
  refresh_token_expires_at timestamp with time zone,
  connected_at timestamp with time zone,
  last_refreshed_at timestamp with time zone,
  rotations_on_day integer NOT NULL,
  last_read_at timestamp with time zone,
  next_action_at timestamp with time zone,
  paused_until timestamp with time zone,
  failure_count integer NOT NULL,
  suspected_since timestamp with time zone,
  last_error_code text,
  last_error_concur_code integer,
  last_error_at timestamp with time zone,
  last_error_correlation_id text,
  created_at timestamp with time zone NOT NULL,
  current_token text,
  current_token_attempt text,
  current_token_refused boolean,
  previous_token text,
  previous_token_attempt text,
  previous_token_refused boolean,
  expiry_notice_days smallint,
  CONSTRAINT connections_app_fkey FOREIGN KEY (app) REFERENCES apps(app),
  CONSTRAINT connections_app_principal_key UNIQUE (app, principal),
  CONSTRAINT connections_check CHECK (((last_error_code IS NULL) = (last_error_at IS NULL))),
  CONSTRAINT connections_check1 CHECK (((current_token IS NULL) = (current_token_attempt IS NULL))),
  CONSTRAINT connections_check2 CHECK (((current_token IS NULL) = (current_token_refused IS NULL))),
  CONSTRAINT connections_check3 CHECK (((previous_token IS NULL) = (previous_token_attempt IS NULL))),
  CONSTRAINT connections_check4 CHECK (((previous_token IS NULL) = (previous_token_refused IS NULL))),
  CONSTRAINT connections_identity_check CHECK ((identity = ANY (ARRAY['proven'::text, 'asserted'::text]))),
  CONSTRAINT connections_pkey PRIMARY KEY (id),
  CONSTRAINT connections_principal_check CHECK ((principal ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'::text)),
  CONSTRAINT connections_principal_type_check CHECK ((principal_type = ANY (ARRAY['company'::text, 'user'::text, 'legacy-user'::text]))),
  CONSTRAINT connections_resume_state_check CHECK ((resume_state = ANY (ARRAY['active'::text, 'retrying'::text, 'suspended'::text]))),
  CONSTRAINT connections_state_check CHECK ((state = ANY (ARRAY['connecting'::text, 'active'::text, 'retrying'::text, 'suspended'::text, 'blocked'::text, 'paused'::text, 'revoking'::text, 'reauthorization-required'::text, 'revoked'::text, 'connect-failed'::text]))),
  CONSTRAINT connections_version_check CHECK ((version >= 0))
);

CREATE TABLE data_keys (
  kid text NOT NULL,
  purpose text NOT NULL,
  kek_kid text NOT NULL,
  wrapped text NOT NULL,
  current boolean NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  replaced_at timestamp with time zone,
  emptied_at timestamp with time zone,
  CONSTRAINT data_keys_check CHECK ((current = (replaced_at IS NULL))),
  CONSTRAINT data_keys_check1 CHECK (((emptied_at IS NULL) OR (replaced_at IS NOT NULL))),
  CONSTRAINT data_keys_pkey PRIMARY KEY (kid),
  CONSTRAINT data_keys_purpose_check CHECK ((purpose = ANY (ARRAY['seal'::text, 'fingerprint'::text])))
);

CREATE TABLE disabled_webhooks (
  app text COLLATE "C" NOT NULL,
  url text NOT NULL,
  at timestamp with time zone NOT NULL,
  CONSTRAINT disabled_webhooks_app_fkey FOREIGN KEY (app) REFERENCES apps(app),
  CONSTRAINT disabled_webhooks_pkey PRIMARY KEY (app, url)
);

CREATE TABLE idempotency_keys (
  app text COLLATE "C" NOT NULL,
  client_id text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  fingerprint text NOT NULL,
  session_id text NOT NULL,
  claim_id text,
  claimed_until timestamp with time zone,
  answer jsonb,
  expires_at timestamp with time zone NOT NULL,
  CONSTRAINT idempotency_keys_app_fkey FOREIGN KEY (app) REFERENCES apps(app),
  CONSTRAINT idempotency_keys_check CHECK (((claim_id IS NULL) = (claimed_until IS NULL))),
  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (app, client_id, key)
);

CREATE TABLE installation (
  singleton boolean DEFAULT true NOT NULL,
  mode text NOT NULL,
  kek_fingerprint text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT installation_mode_check CHECK ((mode = ANY (ARRAY['development'::text, 'production'::text]))),
  CONSTRAINT installation_pkey PRIMARY KEY (singleton),
  CONSTRAINT installation_singleton_check CHECK (singleton)
);

CREATE TABLE issuer_keys (
  kid text NOT NULL,
  public_jwk jsonb NOT NULL,
  sealed_private_jwk text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT issuer_keys_pkey PRIMARY KEY (kid)
);

CREATE TABLE key_holders (
  id text NOT NULL,
  name text NOT NULL,
  kek_fingerprints text[] NOT NULL,
  current_data_key text NOT NULL,
  seen_at timestamp with time zone NOT NULL,
  CONSTRAINT key_holders_pkey PRIMARY KEY (id)
);

CREATE TABLE outbox (
  id text NOT NULL,
  app text COLLATE "C" NOT NULL,
  type text NOT NULL,
  connection jsonb,
  at timestamp with time zone NOT NULL,
  CONSTRAINT outbox_app_fkey FOREIGN KEY (app) REFERENCES apps(app),
  CONSTRAINT outbox_pkey PRIMARY KEY (id)
);

CREATE TABLE refresh_attempts (
  id text NOT NULL,
  connection_id text NOT NULL,
  kind text NOT NULL,
  status text NOT NULL,
  version_read integer NOT NULL,
  token_attempt_id text,
  session_id text,
  started_at timestamp with time zone NOT NULL,
  horizon_at timestamp with time zone NOT NULL,
  answer text,
  candidate text,
  candidate_attempt text,
  candidate_refused boolean,
  CONSTRAINT refresh_attempts_check CHECK (((candidate IS NULL) = (candidate_attempt IS NULL))),
  CONSTRAINT refresh_attempts_check1 CHECK (((candidate IS NULL) = (candidate_refused IS NULL))),
  CONSTRAINT refresh_attempts_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id),
  CONSTRAINT refresh_attempts_kind_check CHECK ((kind = ANY (ARRAY['refresh'::text, 'exchange'::text, 'revoke'::text]))),
  CONSTRAINT refresh_attempts_pkey PRIMARY KEY (id),
  CONSTRAINT refresh_attempts_status_check CHECK ((status = ANY (ARRAY['open'::text, 'uncertain'::text, 'received'::text, 'lost'::text, 'done'::text])))
);

CREATE TABLE terminal_evidence (
  connection_id text NOT NULL,
  app text COLLATE "C" NOT NULL,
  data_centre text NOT NULL,
  at timestamp with time zone NOT NULL,
  CONSTRAINT terminal_evidence_app_fkey FOREIGN KEY (app) REFERENCES apps(app),
  CONSTRAINT terminal_evidence_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id),
  CONSTRAINT terminal_evidence_pkey PRIMARY KEY (connection_id)
);

CREATE TABLE token_readers (
  connection_id text NOT NULL,
  actor text NOT NULL,
  version integer NOT NULL,
  CONSTRAINT token_readers_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id),
  CONSTRAINT token_readers_pkey PRIMARY KEY (connection_id, actor)
);

CREATE TABLE verification_codes (
  id text NOT NULL,
  app text COLLATE "C" NOT NULL,
  fingerprint text NOT NULL,
  label text,
  customer_ref text,
  principal text,
  created_by text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  used_at timestamp with time zone,
  used_by_session text,
  revoked_at timestamp with time zone,
  CONSTRAINT verification_codes_app_fingerprint_key UNIQUE (app, fingerprint),
  CONSTRAINT verification_codes_app_fkey FOREIGN KEY (app) REFERENCES apps(app),
  CONSTRAINT verification_codes_pkey PRIMARY KEY (id)
);

CREATE TABLE verification_failures (
  app text COLLATE "C" NOT NULL,
  address_fingerprint text NOT NULL,
  at timestamp with time zone NOT NULL,
  CONSTRAINT verification_failures_app_fkey FOREIGN KEY (app) REFERENCES apps(app)
);

CREATE TABLE webhook_deliveries (
  message_id text NOT NULL,
  app text COLLATE "C" NOT NULL,
  url text NOT NULL,
  status text NOT NULL,
  attempts integer NOT NULL,
  next_at timestamp with time zone NOT NULL,
  last_status integer,
  last_error text,
  settled_at timestamp with time zone,
  CONSTRAINT webhook_deliveries_message_id_fkey FOREIGN KEY (message_id) REFERENCES outbox(id) ON DELETE CASCADE,
  CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (message_id, url),
  CONSTRAINT webhook_deliveries_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'delivered'::text, 'failed'::text])))
);

CREATE TABLE webhook_secrets (
  id text NOT NULL,
  app text COLLATE "C" NOT NULL,
  sealed text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  retires_at timestamp with time zone,
  CONSTRAINT webhook_secrets_app_fkey FOREIGN KEY (app) REFERENCES apps(app),
  CONSTRAINT webhook_secrets_pkey PRIMARY KEY (id)
);

CREATE TABLE audit_events_default PARTITION OF audit_events DEFAULT;
CREATE TABLE connection_events_default PARTITION OF connection_events DEFAULT;

CREATE INDEX access_tokens_expired ON public.access_tokens USING btree (expires_at);
CREATE INDEX audit_events_by_app ON ONLY public.audit_events USING btree (app, at DESC, id DESC);
CREATE INDEX audit_events_by_recording ON ONLY public.audit_events USING brin (recorded_at);
CREATE INDEX connect_sessions_by_request_token ON public.connect_sessions USING btree (app, request_token_fingerprint);
CREATE INDEX connect_sessions_pending ON public.connect_sessions USING btree (app, principal, created_at) WHERE (status = 'completed'::text);
CREATE INDEX connect_sessions_unfinished ON public.connect_sessions USING btree (expires_at) WHERE (status = 'open'::text);
CREATE INDEX connect_sessions_unidentified ON public.connect_sessions USING btree (next_try_at) WHERE ((status = 'completed'::text) AND (principal IS NULL));
CREATE INDEX connection_events_by_connection ON ONLY public.connection_events USING btree (connection_id, at DESC, id DESC);
CREATE INDEX connection_events_by_recording ON ONLY public.connection_events USING brin (recorded_at);
CREATE INDEX connections_by_customer_ref ON public.connections USING btree (app, customer_ref, principal) WHERE (customer_ref IS NOT NULL);
CREATE INDEX connections_by_data_centre ON public.connections USING btree (app, data_centre, principal);
CREATE INDEX connections_by_state ON public.connections USING btree (app, state, principal);
CREATE INDEX connections_due ON public.connections USING btree (next_action_at) WHERE (state <> ALL (ARRAY['revoked'::text, 'connect-failed'::text]));
CREATE UNIQUE INDEX data_keys_one_current ON public.data_keys USING btree (purpose) WHERE current;
CREATE INDEX idempotency_keys_by_end ON public.idempotency_keys USING btree (expires_at);
CREATE INDEX outbox_by_age ON public.outbox USING btree (at);
CREATE INDEX outbox_by_app ON public.outbox USING btree (app, at);
CREATE INDEX refresh_attempts_by_connection ON public.refresh_attempts USING btree (connection_id);
CREATE INDEX refresh_attempts_settled ON public.refresh_attempts USING btree (started_at) WHERE ((status = 'done'::text) AND (candidate IS NULL));
CREATE INDEX refresh_attempts_unsettled ON public.refresh_attempts USING btree (connection_id, started_at DESC) WHERE ((status <> 'done'::text) OR (candidate IS NOT NULL));
CREATE INDEX terminal_evidence_recent ON public.terminal_evidence USING btree (app, data_centre, at);
CREATE INDEX verification_failures_by_address ON public.verification_failures USING btree (address_fingerprint, at);
CREATE INDEX verification_failures_by_age ON public.verification_failures USING btree (at);
CREATE INDEX verification_failures_by_app ON public.verification_failures USING btree (app, at);
CREATE INDEX webhook_deliveries_by_endpoint ON public.webhook_deliveries USING btree (app, url, status);
CREATE INDEX webhook_deliveries_due ON public.webhook_deliveries USING btree (next_at) WHERE (status = 'pending'::text);
CREATE INDEX webhook_secrets_by_app ON public.webhook_secrets USING btree (app, created_at);

CREATE OR REPLACE FUNCTION public.drop_expired_events(retention interval, OUT partitions integer, OUT default_rows bigint)
 RETURNS record
 LANGUAGE plpgsql
 STRICT SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET lock_timeout TO '2s'
AS $function$
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
$function$
;
CREATE OR REPLACE FUNCTION public.ensure_event_partitions(first_day date, months integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
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
$function$
;
CREATE OR REPLACE FUNCTION public.remove_data_key(old_kid text)
 RETURNS boolean
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  WITH removed AS (
    DELETE FROM public.data_keys
    WHERE kid = old_kid AND purpose = 'seal' AND NOT current AND emptied_at IS NOT NULL
      AND replaced_at < now() - interval '30 days'
    RETURNING kid
  )
  SELECT EXISTS (SELECT FROM removed)
$function$
;

GRANT DELETE, INSERT, SELECT, UPDATE ON access_tokens TO evergrant_app;
GRANT INSERT, SELECT, UPDATE ON app_secrets TO evergrant_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON app_trouble TO evergrant_app;
GRANT INSERT, SELECT, UPDATE ON apps TO evergrant_app;
GRANT SELECT ON audit_events TO evergrant_app;
GRANT INSERT, SELECT, UPDATE ON brakes TO evergrant_app;
GRANT INSERT, SELECT, UPDATE ON clients TO evergrant_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON connect_sessions TO evergrant_app;
GRANT SELECT ON connection_events TO evergrant_app;
GRANT INSERT, SELECT, UPDATE ON connections TO evergrant_app;
GRANT INSERT, SELECT, UPDATE ON data_keys TO evergrant_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON disabled_webhooks TO evergrant_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON idempotency_keys TO evergrant_app;
GRANT INSERT, SELECT ON installation TO evergrant_app;
GRANT INSERT, SELECT, UPDATE ON issuer_keys TO evergrant_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON key_holders TO evergrant_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON outbox TO evergrant_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON refresh_attempts TO evergrant_app;
GRANT SELECT ON schema_migrations TO evergrant_app;
GRANT INSERT, SELECT, UPDATE ON terminal_evidence TO evergrant_app;
GRANT INSERT, SELECT, UPDATE ON token_readers TO evergrant_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON verification_codes TO evergrant_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON verification_failures TO evergrant_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON webhook_deliveries TO evergrant_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON webhook_secrets TO evergrant_app;

GRANT INSERT (at, type, actor, app, subject, reason, correlation_id, facts) ON audit_events TO evergrant_app;
GRANT INSERT (connection_id, at, type, actor, reason, state_from, state_to, version, concur_code, correlation_id, user_id) ON connection_events TO evergrant_app;
GRANT UPDATE (kek_fingerprint) ON installation TO evergrant_app;
