#!/usr/bin/env bash
# A tour of the API with grpcurl: every public method, by reflection, through Envoy: grpcurl.sh host:port
set -euo pipefail
target=${1:?usage: grpcurl.sh host:port}
command -v grpcurl >/dev/null || PATH=$PATH:$(go env GOPATH 2>/dev/null || echo "$HOME/go")/bin
command -v grpcurl >/dev/null || { echo "grpcurl is missing: run scripts/install-tools" >&2; exit 1; }
command -v python3 >/dev/null || { echo "python3 is missing" >&2; exit 1; }

called=()
say() { printf '\n## %s\n' "$*"; }
call() { # method, request as JSON; the answer is in $answer
  called+=("$1")
  printf '$ grpcurl -plaintext -d %q %s %s\n' "$2" "$target" "$1"
  answer=$(grpcurl -plaintext -emit-defaults -max-time 60 -d "$2" "$target" "$1")
  printf '%s\n' "$answer" | head -n "${lines:-12}"
}
refused() { # method, request as JSON, code; the error is in $answer
  printf '$ grpcurl -plaintext -d %q %s %s\n' "$2" "$target" "$1"
  if answer=$(grpcurl -plaintext -d "$2" "$target" "$1" 2>&1); then echo "was not refused: $answer" >&2; exit 1; fi
  printf '%s\n' "$answer"
  has "Code: $3"
}
watch() { # method, request as JSON: the first messages of a stream that does not end
  called+=("$1")
  printf '$ grpcurl -plaintext -max-time 2 -d %q %s %s\n' "$2" "$target" "$1"
  answer=$(grpcurl -plaintext -emit-defaults -max-time 2 -d "$2" "$target" "$1" 2>/dev/null || true)
  printf '%s\n' "$answer" | head -n "${lines:-12}"
}
has() { case $answer in *"$1"*) ;; *) printf 'the answer lacks %s:\n%s\n' "$1" "$answer" >&2; exit 1 ;; esac; }
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1" <<<"$answer"; }

say "Which services are there?"
services=$(grpcurl -plaintext "$target" list | grep '^ordermesh\.')
printf '%s\n' "$services"
case $services in *ordermesh.internal*) echo "an internal service is public" >&2; exit 1 ;; esac

say "What can they do?"
methods=$(for service in $services; do grpcurl -plaintext "$target" list "$service"; done)
for method in $methods; do
  answer=$(grpcurl -plaintext "$target" describe "$method")
  printf '%s\n' "$answer" | grep rpc
done
answer=$(grpcurl -plaintext "$target" describe ordermesh.orders.v1.CreateOrderRequest)
printf '%s\n' "$answer"
has "string customer_id = 1"
answer=$(grpcurl -plaintext -d '{"service":"ordermesh.orders.v1.OrderService"}' "$target" grpc.health.v1.Health/Check)
has SERVING

orders=ordermesh.orders.v1.OrderService inventory=ordermesh.orders.v1.InventoryService
analytics=ordermesh.analytics.v1.AnalyticsService pipeline=ordermesh.gateway.v1.PipelineService
watching=ordermesh.gateway.v1.WatchService
run=$(date +%s%N)
customer=cust-$run

say "Place an order; again with the same request id it is the same order"
order='{"customerId":"'$customer'","requestId":"r-'$run'","items":[{"productId":"p1","quantity":2,"price":10},{"productId":"p2","quantity":1,"price":50}]}'
lines=30 call $orders/CreateOrder "$order"
has '"totalPrice": 70'; has '"status": "CREATED"'
id=$(field orderId)
lines=3 call $orders/CreateOrder "$order"
has "$id"

say "Place several at once: one that is wrong does not hold up the others"
lines=40 call $orders/BatchCreateOrders '{"requests":[{"customerId":"'$customer'","items":[{"productId":"p3","quantity":1,"price":5.25}]},{"customerId":"'$customer'","items":[{"productId":"nothing","quantity":1,"price":1}]}]}'
has '"acceptedCount": 1'; has UNKNOWN_PRODUCT

say "Look at them"
call $orders/GetOrder '{"orderId":"'$id'"}'
has "$customer"
call $orders/ListOrders '{"customerId":"'$customer'","pageSize":1}'
has '"nextPageToken": "'
lines=20 call $orders/StreamOrders '{"customerId":"'$customer'"}'
has "$id"; has '"totalPrice": 5.25'

say "Carry one through its states"
lines=4 call $orders/CompletePayment '{"orderId":"'$id'"}'
has '"status": "PAID"'
lines=4 call $orders/ShipOrder '{"orderId":"'$id'"}'
has '"status": "SHIPPED"'

say "A step that its state does not allow: code, message and details"
refused $orders/CancelOrder '{"orderId":"'$id'"}' FailedPrecondition
has ILLEGAL_TRANSITION

say "An order that is wrong: every field is named"
refused $orders/CreateOrder '{"customerId":"","items":[{"productId":"p1","quantity":0,"price":9.999}]}' InvalidArgument
has INVALID_FIELD; has 'items[0].quantity'; has 'items[0].price'

say "A product whose stock is counted; what is short waits until stock arrives"
product=t-$run
call $inventory/CreateProduct '{"productId":"'$product'","name":"Tour lamp","price":12.5,"tracked":true,"stock":1}'
has '"stock": "1"'
lines=4 call $orders/CreateOrder '{"customerId":"'$customer'","items":[{"productId":"'$product'","quantity":3,"price":12.5}]}'
has PENDING_RESTOCK
waiting=$(field orderId)
call $inventory/RestockProduct '{"productId":"'$product'","quantity":10,"requestId":"r-'$run'"}'
has '"releasedOrders": "1"'; has '"stock": "8"'
lines=4 call $orders/CancelOrder '{"orderId":"'$waiting'"}'
has '"status": "CANCELLED"'
call $inventory/GetProduct '{"productId":"'$product'"}'
has '"stock": "11"'
call $inventory/ListProducts '{"pageSize":2}'
has '"nextPageToken": "'

say "Is everything counted?"
for _ in 1 2 3 4 5; do
  call $pipeline/Reconcile '{"waitSeconds":30}'
  case $answer in *'"verdict": "AGREES"'*) break ;; esac
done
has '"verdict": "AGREES"'

say "What do the numbers say?"
call $analytics/GetSalesSummary '{}'
has '"ordersTotal"'
call $analytics/ListMetrics '{"metricName":"orders_by_status"}'
has '"dimension": "SHIPPED"'
call $analytics/TopProducts '{"limit":3,"ranking":"REVENUE"}'
has '"productId"'
call $analytics/OrdersPerMinute '{}'
has '"minute"'

say "How is the pipeline, now and from now on?"
call $pipeline/GetStatus '{}'
has '"name": "orders"'
watch $pipeline/WatchStatus '{"intervalMs":500}'
has '"revision": "2"'
watch $watching/WatchOrders '{"customerId":"'$customer'"}'
has '"heartbeat"'
watch $watching/WatchMetrics '{}'
has '"summary"'

missed=$(comm -23 <(printf '%s\n' $methods | sed -E 's#(.*)\.#\1/#' | sort -u) <(printf '%s\n' "${called[@]}" | sort -u))
[ -z "$missed" ] || { echo "the tour left out: $missed" >&2; exit 1; }
printf '\nAll %s public methods were called, and answered as they should.\n' "$(wc -w <<<"$methods")"
