#!/bin/sh
# Makes the certificates of deploy/compose/tls.yml: an authority, and one certificate for each container, in volumes
# that only their readers mount. With the argument `renew` they are made again.
set -eu
umask 022
ca=/certificates/authority

issue() { # <name> <volume> <host>...: creates the certificate, or renews it, and puts it into its volume
  name=$1 volume=$2
  shift 2
  if [ ! -s "$ca/$name.pem" ]; then
    hosts=""
    for host in "$@"; do hosts="$hosts --host $host"; done
    # shellcheck disable=SC2086 # one word each
    python -m cli certs create "$name" --folder "$ca" $hosts > /dev/null
  elif [ "${mode:-}" = renew ]; then
    python -m cli certs renew "$name" --folder "$ca" > /dev/null
  fi
  put "$ca/$name.key" "/certificates/$volume/$name.key"
  put "$ca/$name.pem" "/certificates/$volume/$name.pem"
  put "$ca/ca.pem" "/certificates/$volume/ca.pem"
}

put() { # <file> <target>: writes it atomically
  cat "$1" > "$2.new"
  mv "$2.new" "$2"
}

mode=${1:-}
# shellcheck disable=SC2086 # one word each
issue front envoy localhost 127.0.0.1 ::1 envoy $(echo "${ORDERMESH_FRONT_HOSTS:-}" | tr , ' ')
issue envoy envoy envoy
issue orders orders orders
issue analytics analytics analytics
issue gateway gateway gateway
