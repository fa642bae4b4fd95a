#!/bin/sh
# Runs once, on an empty volume: the two databases, and a role for each that reads or writes them.
set -eu

# A password comes from the variable, or from the file that <variable>_FILE names.
word() {
  eval "file=\${$1_FILE:-} value=\${$1:-}"
  if [ -n "$file" ]; then cat "$file"; else printf '%s' "${value:?$1 or $1_FILE is required}"; fi
}

psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  -v owner="$(word OWNER_PASSWORD)" -v app="$(word APP_PASSWORD)" -v viewer="$(word VIEWER_PASSWORD)" <<'SQL'
CREATE ROLE orders_owner LOGIN PASSWORD :'owner';
CREATE ROLE orders_app LOGIN PASSWORD :'app';
CREATE ROLE orders_publisher LOGIN PASSWORD :'app';
CREATE ROLE analytics_owner LOGIN PASSWORD :'owner';
CREATE ROLE analytics_worker LOGIN PASSWORD :'app';
CREATE ROLE analytics_reader LOGIN PASSWORD :'app';
CREATE ROLE viewer LOGIN PASSWORD :'viewer';
GRANT pg_read_all_data TO viewer;
CREATE DATABASE orders OWNER orders_owner;
CREATE DATABASE analytics OWNER analytics_owner;
REVOKE ALL ON DATABASE orders, analytics FROM PUBLIC;
GRANT CONNECT ON DATABASE orders TO orders_app, orders_publisher, viewer;
GRANT CONNECT ON DATABASE analytics TO analytics_worker, analytics_reader, viewer;
SQL
