#!/usr/bin/env bash
# Builds the TypeScript client, runs its examples in Node and Chromium: typescript.sh http://host:port [screenshot.png]
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:?usage: typescript.sh http://host:port [screenshot.png]}
screenshot=${2:-}
missing() { echo "$1 is missing: $2" >&2; exit 1; }
command -v node >/dev/null || missing node "install Node.js 20 or newer"
command -v npm >/dev/null || missing npm "install it with Node.js"
chromium=${CHROMIUM:-$(command -v chromium || true)}
[ -n "$chromium" ] || missing chromium "apt-get install chromium, or set CHROMIUM to its path"

cd clients/typescript
npm ci --silent
./generate.sh --check
npm run --silent build
cd ../..

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Like a project in which the package is installed.
mkdir -p "$scratch/node_modules/@ordermesh"
ln -s "$PWD/clients/typescript" "$scratch/node_modules/@ordermesh/client"
ln -s "$PWD"/clients/typescript/node_modules/{@bufbuild,@connectrpc} "$scratch/node_modules"
cp examples/node/order.mjs examples/browser/index.html examples/browser/page.js "$scratch"

echo "examples in Node"
# The time limit checks that closed clients leave nothing that keeps Node running.
(cd "$scratch" && timeout 25 node order.mjs "$target") | tee "$scratch/node.txt"
for name in gRPC gRPC-Web; do
  for expected in "$name CREATED 20" "$name revision 2n\|$name revision 2" "$name refused customer_id, items"; do
    grep -q "$expected" "$scratch/node.txt" || { echo "the example did not print: $expected" >&2; exit 1; }
  done
done

.venv/bin/python tests/clients/retries.py "$scratch"

echo "example page in $chromium"
clients/typescript/node_modules/.bin/esbuild "$scratch/page.js" --outfile="$scratch/page.bundle.js" \
  --bundle --format=esm --minify --log-level=warning
export CHROMIUM=$chromium NODE_PATH=clients/typescript/node_modules
node tests/clients/browser.cjs "$scratch" "$target" "$screenshot"
