// Places orders and watches the pipeline by gRPC-Web; ?target=http://host:port is the front proxy.
import { failureOf, Order_Status, ordermeshFromBrowser } from "@ordermesh/client/web";

const baseUrl = new URLSearchParams(location.search).get("target") ?? "http://127.0.0.1:8080";
const platform = ordermeshFromBrowser({ baseUrl });
const show = (id, text) => {
  document.getElementById(id).textContent = text;
};

async function place(items) {
  try {
    const requestId = crypto.randomUUID();
    const order = await platform.orders.createOrder({ customerId: "cust-browser", requestId, items });
    show("answer", `${Order_Status[order.status]}: ${order.orderId}`);
  } catch (thrown) {
    const { error, violations } = failureOf(thrown);
    show("answer", violations.map(({ field, description }) => `${field}: ${description}`).join("; ") || error.message);
  }
  await list();
}

async function list() {
  const rows = [];
  for await (const order of platform.orders.streamOrders({ customerId: "cust-browser", pageSize: 10 })) {
    const row = document.createElement("tr");
    for (const text of [order.orderId, Order_Status[order.status], order.totalPrice.toFixed(2)]) {
      row.insertCell().textContent = text;
    }
    rows.push(row);
  }
  document.getElementById("orders").replaceChildren(...rows);
}

async function watch() {
  for await (const { revision, status } of platform.pipeline.watchStatus({ intervalMs: 500 }, { timeoutMs: 0 })) {
    show("revision", revision);
    show("stored", status.intake.ordersTotal);
    show("counted", status.processing.countedTotal);
  }
}

async function watchForever() {
  for (;;) {
    await watch().catch((thrown) => show("answer", failureOf(thrown).error.message));
    await new Promise((resume) => setTimeout(resume, 1_000));
  }
}

show("target", baseUrl);
document.getElementById("place").addEventListener("click", () => place([{ productId: "p1", quantity: 2, price: 10 }]));
document.getElementById("refuse").addEventListener("click", () => place([{ productId: "p1", quantity: 0, price: 1 }]));
list().catch((thrown) => show("answer", failureOf(thrown).error.message));
watchForever();
