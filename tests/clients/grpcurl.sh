#!/usr/bin/env bash
# Calls every public method with grpcurl, by reflection, through Envoy, and checks the responses: grpcurl.sh host:port
set -euo pipefail
target=${1:?usage: grpcurl.sh host:port}
command -v grpcurl >/dev/null || PATH=$PATH:$(go env GOPATH 2>/dev/null || echo "$HOME/go")/bin
command -v grpcurl >/dev/null || { echo "grpcurl is missing: run scripts/install-tools" >&2; exit 1; }
command -v python3 >/dev/null || { echo "python3 is missing" >&2; exit 1; }

called=()
title() { printf '\n## %s\n' "$*"; }
call() { # method, request as JSON; sets $response
  called+=("$1")
  printf '$ grpcurl -plaintext -d %q %s %s\n' "$2" "$target" "$1"
  response=$(grpcurl -plaintext -emit-defaults -max-time 60 -d "$2" "$target" "$1")
  printf '%s\n' "$response" | head -n "${lines:-12}"
}
refused() { # method, request as JSON, code; sets $response to the error
  printf '$ grpcurl -plaintext -d %q %s %s\n' "$2" "$target" "$1"
  if response=$(grpcurl -plaintext -d "$2" "$target" "$1" 2>&1); then
    echo "the call was not refused: $response" >&2
    exit 1
  fi
  printf '%s\n' "$response"
  has "Code: $3"
}
watch() { # method, request as JSON; sets $response to the start of a stream
  called+=("$1")
  printf '$ grpcurl -plaintext -max-time 2 -d %q %s %s\n' "$2" "$target" "$1"
  response=$(grpcurl -plaintext -emit-defaults -max-time 2 -d "$2" "$target" "$1" 2>/dev/null || true)
  printf '%s\n' "$response" | head -n "${lines:-12}"
}
has() {
  case $response in *"$1"*) return ;; esac
  printf 'the response does not contain %s:\n%s\n' "$1" "$response" >&2
  exit 1
}
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1" <<<"$response"; }

title "List the services"
services=$(grpcurl -plaintext "$target" list | grep '^ordermesh\.')
printf '%s\n' "$services"
case $services in *ordermesh.internal*) echo "an internal service is public" >&2; exit 1 ;; esac

title "Describe their methods"
methods=$(for service in $services; do grpcurl -plaintext "$target" list "$service"; done)
for method in $methods; do
  response=$(grpcurl -plaintext "$target" describe "$method")
  printf '%s\n' "$response" | grep rpc
done
response=$(grpcurl -plaintext "$target" describe ordermesh.orders.v1.CreateOrderRequest)
printf '%s\n' "$response"
has "string customer_id = 1"
response=$(grpcurl -plaintext -d '{"service":"ordermesh.orders.v1.OrderService"}' "$target" grpc.health.v1.Health/Check)
has SERVING

orders=ordermesh.orders.v1.OrderService inventory=ordermesh.orders.v1.InventoryService
analytics=ordermesh.analytics.v1.AnalyticsService pipeline=ordermesh.gateway.v1.PipelineService
watching=ordermesh.gateway.v1.WatchService letters=ordermesh.gateway.v1.DeadLetterService
run=$(date +%s%N)
customer=cust-$run

title "Create an order; the same request id returns the same order"
items='[{"productId":"p1","quantity":2,"price":10},{"productId":"p2","quantity":1,"price":50}]'
order='{"customerId":"'$customer'","requestId":"r-'$run'","items":'$items'}'
lines=30 call $orders/CreateOrder "$order"
has '"totalPrice": 70'; has '"status": "CREATED"'
id=$(field orderId)
lines=3 call $orders/CreateOrder "$order"
has "$id"

title "Create orders in a batch: an invalid one does not fail the others"
valid='{"customerId":"'$customer'","items":[{"productId":"p3","quantity":1,"price":5.25}]}'
invalid='{"customerId":"'$customer'","items":[{"productId":"nothing","quantity":1,"price":1}]}'
lines=40 call $orders/BatchCreateOrders '{"requests":['$valid','$invalid']}'
has '"acceptedCount": 1'; has UNKNOWN_PRODUCT

title "Read orders"
call $orders/GetOrder '{"orderId":"'$id'"}'
has "$customer"; has '"createdAt"'; has '"updatedAt"'
call $orders/ListOrders '{"customerId":"'$customer'","pageSize":1}'
has '"nextPageToken": "'
lines=20 call $orders/StreamOrders '{"customerId":"'$customer'","startTime":"2026-01-01T00:00:00Z"}'
has "$id"; has '"totalPrice": 5.25'

title "Change the status of an order"
lines=4 call $orders/CompletePayment '{"orderId":"'$id'"}'
has '"status": "PAID"'
lines=4 call $orders/ShipOrder '{"orderId":"'$id'"}'
has '"status": "SHIPPED"'

title "A transition that the status does not allow: code, message and details"
refused $orders/CancelOrder '{"orderId":"'$id'"}' FailedPrecondition
has ILLEGAL_TRANSITION

title "An invalid order: every invalid field is named"
refused $orders/CreateOrder '{"customerId":"","items":[{"productId":"p1","quantity":0,"price":9.999}]}' InvalidArgument
has INVALID_FIELD; has 'items[0].quantity'; has 'items[0].price'

title "A product with tracked stock: an order beyond it is a backorder until stock arrives"
product=t-$run
call $inventory/CreateProduct '{"productId":"'$product'","name":"Lamp","price":12.5,"tracked":true,"stock":1}'
has '"stock": "1"'
items='[{"productId":"'$product'","quantity":3,"price":12.5}]'
lines=4 call $orders/CreateOrder '{"customerId":"'$customer'","items":'$items'}'
has PENDING_RESTOCK
backorder=$(field orderId)
call $inventory/RestockProduct '{"productId":"'$product'","quantity":10,"requestId":"r-'$run'"}'
has '"releasedOrders": "1"'; has '"stock": "8"'
lines=4 call $orders/CancelOrder '{"orderId":"'$backorder'"}'
has '"status": "CANCELLED"'
call $inventory/GetProduct '{"productId":"'$product'"}'
has '"stock": "11"'
call $inventory/ListProducts '{"pageSize":2}'
has '"nextPageToken": "'

title "Reconcile orders and metrics"
for _ in 1 2 3 4 5; do
  call $pipeline/Reconcile '{"waitSeconds":30}'
  case $response in *'"verdict": "AGREES"'*) break ;; esac
done
has '"verdict": "AGREES"'

title "Read the metrics"
call $analytics/GetSalesSummary '{}'
has '"ordersTotal"'
call $analytics/ListMetrics '{"metricName":"orders_by_status"}'
has '"dimension": "SHIPPED"'
call $analytics/TopProducts '{"limit":3,"ranking":"REVENUE"}'
has '"productId"'
call $analytics/OrdersPerMinute '{}'
has '"startTime"'

title "Read the metrics with one's own write"
lines=4 call $orders/CreateOrder '{"customerId":"'$customer'","items":[{"productId":"p1","quantity":1,"price":1}]}'
id=$(field orderId) revision=$(field revision)
lines=40 call $analytics/GetSalesSummary '{"minRevisions":["'$revision'"],"waitMs":10000}'
has '"asOfTime"'; has '"lagEvents"'

title "Read the life of an order"
lines=40 call ordermesh.gateway.v1.OrderTimelineService/GetOrderTimeline '{"orderId":"'$id'"}'
has '"state": "COUNTED"'; has '"offset"'; has '"worker"'

title "Dead letters: their number, a list, and what would be done with them"
call $letters/GetDeadLetterSummary '{}'
has '"outboxTotal"'
call $letters/ListDeadLetters '{"reason":"NONE_HAS_IT"}'
has '"totalSize": "0"'
called+=($letters/GetDeadLetter)
refused $letters/GetDeadLetter '{"deadLetterId":"outbox.0"}' NotFound
has DEAD_LETTER_NOT_FOUND
call $letters/RedriveDeadLetters '{"filter":{"reason":"NONE_HAS_IT"},"validateOnly":true}'
call $letters/DiscardDeadLetters '{"filter":{"reason":"NONE_HAS_IT"},"validateOnly":true}'
call $letters/ResumePartitions '{}'

title "Read and watch the status of the pipeline"
call $pipeline/GetStatus '{}'
has '"name": "orders"'
watch $pipeline/WatchStatus '{"intervalMs":500}'
has '"revision": "2"'
watch $watching/WatchOrders '{"customerId":"'$customer'"}'
has '"heartbeat"'
watch $watching/WatchMetrics '{}'
has '"summary"'

public=$(printf '%s\n' $methods | sed -E 's#(.*)\.#\1/#' | sort -u)
missed=$(comm -23 <(printf '%s\n' "$public") <(printf '%s\n' "${called[@]}" | sort -u))
[ -z "$missed" ] || { echo "methods that were not called: $missed" >&2; exit 1; }
printf '\nAll %s public methods were called; every response is as expected.\n' "$(wc -w <<<"$methods")"
