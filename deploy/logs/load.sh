#!/bin/bash
# Gives Elasticsearch and Kibana what the logs need; safe to repeat. In docker-compose.yml it runs at each start.
# OpenSearch gets its part from `ordermesh up --logs`.
#
# STORE     address of the store, such as http://elasticsearch:9200
# KIBANA    address of Kibana, empty without one
# LOGINS    folder with the passwords elastic, kibana_system, shipper and reader
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

ask() { # <method> <url> [more words of curl]: fails with the answer
  local answer code
  answer=$(curl -sS -K <(login) -X "$1" "$2" -w '\n%{http_code}' -H 'content-type: application/json' "${@:3}")
  code=${answer##*$'\n'}
  case $code in 2??) ;; *) echo "$1 $2: $answer" >&2; return 1 ;; esac
}

login() { # for -K: a command line is visible to others
  printf 'user = "elastic:%s"\n' "$(cat "$LOGINS/elastic")"
}

user() { # <name> <roles as JSON>
  printf '{"password":"%s","roles":%s}' "$(cat "$LOGINS/$1")" "$2" |
    ask PUT "$STORE/_security/user/$1" -d @-
}

until ask GET "$STORE/_cluster/health?wait_for_status=yellow&timeout=60s" 2> /dev/null; do sleep 1; done

ask PUT "$STORE/_security/role/ordermesh-shipper" -d @"$here/index/shipper-role.json"
ask PUT "$STORE/_security/role/ordermesh-reader" -d @"$here/index/reader-role.json"
user shipper '["ordermesh-shipper"]'
user reader '["viewer","ordermesh-reader"]'
printf '{"password":"%s"}' "$(cat "$LOGINS/kibana_system")" |
  ask POST "$STORE/_security/user/kibana_system/_password" -d @-
ask PUT "$STORE/_ilm/policy/ordermesh-logs" -d @"$here/index/ilm-policy.json"
ask PUT "$STORE/_component_template/ordermesh-logs-fields" -d @"$here/index/fields.json"
ask PUT "$STORE/_component_template/ordermesh-logs-lifecycle" -d @"$here/index/lifecycle.json"
ask PUT "$STORE/_index_template/ordermesh-logs" -d @"$here/index/template.json"

if [ -n "${KIBANA:-}" ]; then
  until ask GET "$KIBANA/api/status" 2> /dev/null; do sleep 2; done
  curl -sS -K <(login) --fail-with-body -H 'kbn-xsrf: true' -F "file=@$here/kibana/saved-objects.ndjson" \
    "$KIBANA/api/saved_objects/_import?overwrite=true" | grep -q '"success":true'
fi
echo "the store of logs is ready"
