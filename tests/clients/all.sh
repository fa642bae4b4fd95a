#!/usr/bin/env bash
# Tests of the clients that need more than Python (grpcurl, Node, Chromium, ghz), each with its own stack.
set -euo pipefail
cd "$(dirname "$0")/../.."
reports=${1:-$(mktemp -d)}
with_stack() { .venv/bin/python tests/clients/with_stack.py "$@"; }
with_stack tests/clients/grpcurl.sh '{grpc}'
with_stack tests/clients/typescript.sh '{rest}' "$reports/page.png"
with_stack .venv/bin/python scripts/ghz_load.py '{grpc}' --rate 100 --seconds 5 --folder "$reports/ghz"
echo "reports and a screenshot: $reports"
