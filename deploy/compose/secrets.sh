#!/bin/sh
# Makes the passwords of a new installation: random, never printed, in volumes that only their readers mount.
# Those that exist stay, so one that is brought along (letters and digits) is put into its file before the first start.
set -eu
umask 022

made() { # <file>: makes it when it is missing, and prints what is in it
  [ -s "$1" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' | put "$1"
  cat "$1"
}

put() { # <file>: a reader finds it whole
  cat > "$1.new"
  mv "$1.new" "$1"
}

dsn() { # <folder> <role> <database>
  printf 'postgresql://%s:%s@postgres/%s' "$2" "$(made "/secrets/postgres/$2")" "$3" | put "/secrets/$1/$2"
}

made /secrets/postgres/postgres > /dev/null
dsn migrations orders_owner orders
dsn migrations analytics_owner analytics
dsn services orders_app orders
dsn services orders_publisher orders
dsn services analytics_worker analytics
dsn services analytics_reader analytics
printf 'postgres:5432:*:viewer:%s\n' "$(made /secrets/postgres/viewer)" | put /secrets/pgadmin/pgpass
made /secrets/pgadmin/login > /dev/null
printf 'micronaut.security.token.jwt.signatures.secret.generator.secret: "%s"\n' "$(made /secrets/kafka-ui/key)" |
  put /secrets/kafka-ui/key.yml
