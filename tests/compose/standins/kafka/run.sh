#!/bin/bash
# Writes server.properties from the KAFKA_* variables, formats an empty volume, and starts the broker.
set -eu
properties=/tmp/server.properties
env | grep -E '^KAFKA_' | grep -v -E '^KAFKA_(HEAP_OPTS|OPTS|HOME)=' | while IFS='=' read -r name value; do
  name=${name#KAFKA_}
  name=${name,,}
  echo "${name//_/.}=$value"
done > "$properties"
java=(/opt/java/bin/java ${KAFKA_HEAP_OPTS:-} ${KAFKA_OPTS:-} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '/opt/kafka/jars/*')
"${java[@]}" kafka.tools.StorageTool format --ignore-formatted -t "$CLUSTER_ID" -c "$properties"
exec "${java[@]}" kafka.Kafka "$properties"
