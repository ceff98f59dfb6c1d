-- Connects that come without a landing page, and those whose principal only SAP Concur's answer will tell.
ALTER TABLE connect_sessions
  -- Null until it is known whose connection it is.
  ALTER COLUMN principal DROP NOT NULL,
  -- What `request_token` holds.
  ADD COLUMN kind text NOT NULL DEFAULT 'request-token' CHECK (kind IN (
    'request-token', 'refresh-token', 'password', 'legacy-code', 'legacy-refresh-token')),
  -- Who asked for it, where that was nobody's browser.
  ADD COLUMN actor text,
  -- Where it is to be brought; null: where that kind is brought by default.
  ADD COLUMN data_centre text,
  -- Only while the principal is unknown: the answer of SAP Concur, sealed under connect_sessions:{id}:answer, with when
  -- its request was sent; and until when the answer of a call under way may still come.
  ADD COLUMN answer text,
  ADD COLUMN answer_sent_at timestamptz,
  ADD COLUMN open_until timestamptz,
  ADD CHECK ((answer IS NULL) = (answer_sent_at IS NULL)),
  ADD CHECK (principal IS NOT NULL OR kind <> 'request-token'),
  ADD CHECK (principal IS NULL OR answer IS NULL);

-- For the reconciler: those that no workflow looks after.
CREATE INDEX connect_sessions_unidentified ON connect_sessions (next_try_at) WHERE status = 'completed' AND principal IS NULL;
