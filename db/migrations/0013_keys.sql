-- Rotation of keys: how far an old data key is on its way out, and which running process holds which keys.
ALTER TABLE data_keys
  -- Since when another is current. It stays readable after that: see remove_data_key.
  ADD COLUMN replaced_at timestamptz,
  -- When nothing in the database was sealed under it any more. A replaced key without it: the rotation is not over.
  ADD COLUMN emptied_at timestamptz,
  ADD CHECK (current = (replaced_at IS NULL)),
  ADD CHECK (emptied_at IS NULL OR replaced_at IS NOT NULL);

-- One row per running process that opens and seals; what was not seen for a minute is gone.
CREATE TABLE key_holders (
  id text PRIMARY KEY,
  name text NOT NULL,
  -- Of its key-encryption keys, its current one first: never the keys.
  kek_fingerprints text[] NOT NULL,
  -- The data key under which it seals.
  current_data_key text NOT NULL,
  seen_at timestamptz NOT NULL
);

-- Removes a data key that was replaced 30 days ago and emptied; whether it did. The application's role may not delete
-- data keys by itself: without its key everything that is sealed under it is lost.
CREATE FUNCTION remove_data_key(old_kid text) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH removed AS (
    DELETE FROM public.data_keys
    WHERE kid = old_kid AND purpose = 'seal' AND NOT current AND emptied_at IS NOT NULL
      AND replaced_at < now() - interval '30 days'
    RETURNING kid
  )
  SELECT EXISTS (SELECT FROM removed)
$$;

REVOKE EXECUTE ON FUNCTION remove_data_key(text) FROM PUBLIC;
