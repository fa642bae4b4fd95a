#!/bin/sh
# Runs once, on an empty volume: creates the roles with the passwords of secrets.sh, and the two databases.
set -eu

for role in orders_owner orders_app orders_publisher analytics_owner analytics_worker analytics_reader viewer monitor; do
  psql -q -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    -v role="$role" -v password="$(cat "/secrets/$role")" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
SQL
done

psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE DATABASE orders OWNER orders_owner;
CREATE DATABASE analytics OWNER analytics_owner;
REVOKE ALL ON DATABASE orders, analytics, postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE orders TO orders_app, orders_publisher, viewer, monitor;
GRANT pg_monitor TO monitor;
ALTER ROLE monitor SET default_transaction_read_only = on;
GRANT CONNECT ON DATABASE analytics TO analytics_worker, analytics_reader, viewer;
SQL

# The tables come later: those that the owner will create.
for database in orders analytics; do
  psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$database" -v owner="${database}_owner" <<'SQL'
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT ON TABLES TO viewer;
SQL
done
