#!/usr/bin/env bash
# Runs atheris on each target for a number of inputs. atheris lives in a folder of its own: it has wheels for some
# versions of Python only.
# usage: tests/fuzz/run.sh RUNS
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$here/../../.venv/bin
atheris=$here/../../.venv/atheris
[ -d "$atheris" ] || "$bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
  --target "$atheris" -r "$here/requirements.lock"
for target in record stored_headers request token traceparent; do
  PYTHONPATH=$atheris "$bin/python" "$here/run.py" "$target" "$1" > /dev/null 2> "$atheris/$target.log" \
    || { tail -n 40 "$atheris/$target.log" >&2; exit 1; }
  echo "$target: $1 inputs, none of which makes it fail"
done
