// Calls that change something are retried with the same request id: retries.mjs http://host:port of faulty_server.py
import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { CreateOrderRequestSchema, NEVER, ordermeshFromNode } from "@ordermesh/client/node";

const baseUrl = process.argv[2];
const platform = ordermeshFromNode({ baseUrl });
const items = [{ productId: "p1", quantity: 1, price: 1 }];
const order = create(CreateOrderRequestSchema, { customerId: "c", items });

await platform.orders.createOrder(order);
await platform.orders.createOrder(order);
await platform.inventory.createProduct({ productId: "p", name: "n", price: 1 });
await platform.inventory.restockProduct({ productId: "p", quantity: 1n, requestId: "given" });
await platform.orders.cancelOrder({ orderId: "o" });
await platform.orders.completePayment({ orderId: "o" });
await platform.orders.shipOrder({ orderId: "o" });
assert.equal(order.requestId, "", "the caller's message was changed");
platform.close();

const once = ordermeshFromNode({ baseUrl, retry: NEVER });
const isUnavailable = (thrown) => thrown instanceof ConnectError && thrown.code === Code.Unavailable;
await assert.rejects(once.orders.cancelOrder({ orderId: "o" }), isUnavailable);
once.close();
