#!/bin/sh
# Generates the passwords of a new installation: random, never printed, each in the volume of the one that reads it.
# Existing passwords are kept: to use your own (letters and digits), write it to its file before the first start.
set -eu
umask 022

secret() { # <file>: generates it when it is missing, and prints it
  [ -s "$1" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' | put "$1"
  cat "$1"
}

put() { # <file>: writes it atomically
  cat > "$1.new"
  mv "$1.new" "$1"
}

dsn() { # <folder> <role> <database>
  printf 'postgresql://%s:%s@postgres/%s' "$2" "$(secret "/secrets/postgres/$2")" "$3" | put "/secrets/$1/$2"
}

properties() { # <user>: of a Kafka client
  printf '{"security.protocol":"SASL_PLAINTEXT","sasl.mechanism":"PLAIN","sasl.username":"%s","sasl.password":"%s"}' \
    "$1" "$(secret "/secrets/kafka/$1")"
}

section() { # <listener> <user>...: who may log in there; the broker itself logs in as the first
  printf '%s.KafkaServer {\n  org.apache.kafka.common.security.plain.PlainLoginModule required\n' "$1"
  printf '    username="%s" password="%s"' "$2" "$(secret "/secrets/kafka/$2")"
  shift
  for user; do printf '\n    user_%s="%s"' "$user" "$(secret "/secrets/kafka/$user")"; done
  printf ';\n};\n'
}

secret /secrets/postgres/postgres > /dev/null
dsn migrate-orders orders_owner orders
dsn migrate-analytics analytics_owner analytics
dsn orders orders_app orders
dsn publisher orders_publisher orders
dsn processor analytics_worker analytics
dsn analytics analytics_reader analytics
secret /secrets/tokens/token_keys > /dev/null
printf 'postgres:5432:*:viewer:%s\n' "$(secret /secrets/postgres/viewer)" | put /secrets/pgadmin/pgpass
secret /secrets/pgadmin/login > /dev/null
secret /secrets/postgres/monitor | put /secrets/postgres-exporter/monitor
secret /secrets/grafana/login > /dev/null
secret /secrets/observe/login > /dev/null
for user in operator publisher processor analytics gateway; do
  properties "ordermesh-$user" | put "/secrets/kafka-$user/properties"
done
properties ordermesh-broker | put /secrets/kafka-acls/properties
{
  section inner ordermesh-broker ordermesh-operator ordermesh-publisher ordermesh-processor ordermesh-analytics \
    ordermesh-gateway
  section controller ordermesh-broker
} | put /secrets/kafka/jaas.conf
login='org.apache.kafka.common.security.plain.PlainLoginModule required'
printf 'akhq.connections.ordermesh.properties.sasl.jaas.config: "%s username=ordermesh-gateway password=%s;"\n' \
  "$login" "$(secret /secrets/kafka/ordermesh-gateway)" | put /secrets/kafka-ui/kafka.yml
{
  printf 'akhq.security.basic-auth:\n  - username: reader\n    groups: [reader]\n'
  # AKHQ compares a SHA-256, which tells nothing of 192 random bits.
  printf '    password: "%s"\n' "$(secret /secrets/kafka-ui/login | sha256sum | cut -d ' ' -f 1)"
} | put /secrets/kafka-ui/login.yml
secret /secrets/elasticsearch/elastic | put /secrets/elk-setup/elastic
secret /secrets/log-shipper/shipper | put /secrets/elk-setup/shipper
secret /secrets/kibana/reader | put /secrets/elk-setup/reader
{
  printf 'elasticsearch.username: kibana_system\nelasticsearch.password: "%s"\n' "$(secret /secrets/elk-setup/kibana_system)"
  for name in encryptedSavedObjects reporting security; do
    printf 'xpack.%s.encryptionKey: "%s"\n' "$name" "$(secret "/secrets/kibana/key-$name")"
  done
} | put /secrets/kibana/kibana.yml
printf 'micronaut.security.token.jwt.signatures.secret.generator.secret: "%s"\n' "$(secret /secrets/kafka-ui/key)" |
  put /secrets/kafka-ui/key.yml
