-- First start of the database server: roles and databases of Evergrant and of Temporal, each with what it needs alone.
\set ON_ERROR_STOP on
\getenv owner_password EVERGRANT_OWNER_PASSWORD
\getenv app_password EVERGRANT_APP_PASSWORD
\getenv temporal_password TEMPORAL_DB_PASSWORD

-- Owns the tables and migrates.
CREATE ROLE evergrant_owner LOGIN PASSWORD :'owner_password';
-- Reads and writes rows; what it may do is granted at the end of every migration.
CREATE ROLE evergrant_app LOGIN PASSWORD :'app_password';
CREATE DATABASE evergrant OWNER evergrant_owner;

CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
