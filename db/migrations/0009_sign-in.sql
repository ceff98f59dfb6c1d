-- Landing mode sign-in: what the partner's site calls a visit, and the ticket with which its user comes back.
ALTER TABLE connect_sessions
  -- The visit's name for the partner: no secret, it starts nothing. Null for a connect that came without a browser.
  ADD COLUMN ref text UNIQUE,
  -- Number of the one ticket that completes the visit: the ticket itself is made from it with a key of the vault and
  -- stored nowhere. All of these are null when there is none.
  ADD COLUMN ticket_id text,
  -- As whom the partner knows the user who signed in.
  ADD COLUMN ticket_customer_ref text,
  ADD COLUMN ticket_expires_at timestamptz,
  -- When the visit's own browser brought it.
  ADD COLUMN ticket_presented_at timestamptz,
  ADD CHECK ((ticket_id IS NULL) = (ticket_customer_ref IS NULL)),
  ADD CHECK ((ticket_id IS NULL) = (ticket_expires_at IS NULL)),
  ADD CHECK (ticket_id IS NOT NULL OR ticket_presented_at IS NULL);

-- Visits that are under way go on.
UPDATE connect_sessions SET ref = replace(gen_random_uuid()::text, '-', '') WHERE cookie_hash IS NOT NULL;

ALTER TABLE connect_sessions ADD CHECK (cookie_hash IS NULL OR ref IS NOT NULL);
