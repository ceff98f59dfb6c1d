#!/bin/sh
# Brings the schemas of Temporal's two databases up to date. Safe to run again.
# Reads where the server is from the environment of Temporal's own images, the password from SQL_PASSWORD.
set -eu

SCHEMAS=${SCHEMAS:-/etc/temporal/schema/postgresql/v12}

for database in temporal temporal_visibility; do
  folder=${database#temporal_}
  set -- --plugin postgres12 --ep "$POSTGRES_SEEDS" -p "$DB_PORT" -u "$POSTGRES_USER" --db "$database"
  temporal-sql-tool "$@" setup-schema -v 0.0
  temporal-sql-tool "$@" update-schema -d "$SCHEMAS/$folder/versioned"
done
