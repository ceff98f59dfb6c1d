-- Rights of the application's role, applied at the end of every `migrate`: so they also reach a role that was
-- made after the tables. Where the owner may not create roles and nobody made `evergrant_app`, there is nothing
-- to grant: the application then connects as the owner, and the audit trail is append-only by habit alone.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'evergrant_app') THEN
    BEGIN
      CREATE ROLE evergrant_app NOLOGIN;
    EXCEPTION
      WHEN insufficient_privilege THEN RETURN;
      -- Roles belong to the whole server: another database may have made it just now.
      WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END IF;

  GRANT USAGE ON SCHEMA public TO evergrant_app;
  GRANT SELECT ON schema_migrations TO evergrant_app;
  GRANT SELECT, INSERT ON installation TO evergrant_app;
  GRANT SELECT, INSERT, UPDATE ON data_keys, issuer_keys, clients, apps, app_secrets, connections TO evergrant_app;
  GRANT SELECT, INSERT, UPDATE ON terminal_evidence, brakes TO evergrant_app;
  GRANT SELECT, INSERT, UPDATE, DELETE
    ON access_tokens, refresh_attempts, connect_sessions, verification_codes, verification_failures, app_trouble,
      idempotency_keys, outbox, webhook_deliveries, disabled_webhooks, webhook_secrets
    TO evergrant_app;
  GRANT SELECT, INSERT, UPDATE ON token_readers TO evergrant_app;
  -- The mode stays what it was; the fingerprint follows a rotation of the key-encryption key.
  GRANT UPDATE (kek_fingerprint) ON installation TO evergrant_app;
  GRANT SELECT, INSERT, UPDATE, DELETE ON key_holders TO evergrant_app;
  GRANT EXECUTE ON FUNCTION remove_data_key(text) TO evergrant_app;
  -- Column by column: ids and the time of recording are the database's own, and nobody but it can set them.
  REVOKE ALL ON connection_events, audit_events FROM evergrant_app;
  GRANT SELECT ON connection_events, audit_events TO evergrant_app;
  GRANT INSERT (connection_id, at, type, actor, reason, state_from, state_to, version, concur_code, correlation_id, user_id)
    ON connection_events TO evergrant_app;
  GRANT INSERT (at, type, actor, app, subject, reason, correlation_id, facts) ON audit_events TO evergrant_app;
  GRANT EXECUTE ON FUNCTION ensure_event_partitions(date, integer), drop_expired_events(interval) TO evergrant_app;
  -- Up to PostgreSQL 14 everybody may make tables and functions here, unless the schema's owner ends it.
  REVOKE CREATE ON SCHEMA public FROM PUBLIC, evergrant_app;
END
$$;
