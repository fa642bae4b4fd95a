// Places an order, reads an error and watches the pipeline, by gRPC and gRPC-Web: node order.mjs [http://host:port]
import { failureOf, Order_Status, ordermeshFromNode, ordermeshFromNodeByWeb } from "@ordermesh/client/node";

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8080";
for (const [name, platform] of [
  ["gRPC", ordermeshFromNode({ baseUrl })],
  ["gRPC-Web", ordermeshFromNodeByWeb({ baseUrl })],
]) {
  const order = await platform.orders.createOrder({
    customerId: "cust-node",
    requestId: crypto.randomUUID(),
    items: [{ productId: "p1", quantity: 2, price: 10 }],
  });
  console.log(name, Order_Status[order.status], order.totalPrice);

  for await (const summary of platform.orders.streamOrders({ customerId: "cust-node", pageSize: 10 })) {
    console.log(name, "lists", summary.orderId);
  }
  for await (const update of platform.pipeline.watchStatus({ intervalMs: 200 }, { timeoutMs: 0 })) {
    console.log(name, "revision", update.revision, "orders", update.status.intake.ordersTotal);
    if (update.revision === 2n) break;
  }
  try {
    await platform.orders.createOrder({ customerId: "", items: [] });
  } catch (thrown) {
    const { violations, traceId } = failureOf(thrown);
    console.log(name, "refused", violations.map((violation) => violation.field).join(", "), traceId);
  }
  platform.close();
}
