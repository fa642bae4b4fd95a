#!/bin/sh
# On an empty volume: make the cluster, run what lies in /docker-entrypoint-initdb.d with a server that has no TCP.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  initdb -U postgres --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256 -E UTF8 -D "$PGDATA" > /dev/null
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -w -o "-c listen_addresses='' -c unix_socket_directories=/tmp" start > /dev/null
  export PGHOST=/tmp POSTGRES_USER=postgres
  for script in /docker-entrypoint-initdb.d/*.sh; do "$script"; done
  pg_ctl -D "$PGDATA" -m fast -w stop > /dev/null
fi
exec "$@" -c listen_addresses='*' -c unix_socket_directories=/tmp
