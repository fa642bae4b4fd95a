// Places a test order and shows when it is stored and when it is in the Kafka log.
import { element, money } from "./format.js";

export function setUpTestOrders(form, travel, ask) {
  const waiting = new Map();
  const seen = new Map();
  let prices = new Map();
  ask("/v1/products?pageSize=40").then(({ products }) => {
    prices = new Map(products.map((one) => [one.productId, one.price]));
    form.elements.product.replaceChildren(...products.map((one) => new Option(`${one.name} · ${money(one.price)}`, one.productId)));
  }).catch(() => say("The products could not be loaded.", "problem"));

  function say(text, className) {
    travel.append(element("li", text, className));
  }

  function arrived(orderId) {
    say(`in the Kafka log ${Math.max(0, seen.get(orderId) - waiting.get(orderId))} ms after it was sent`, "done");
    waiting.delete(orderId);
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { customer, product, quantity } = form.elements;
    const item = { productId: product.value, quantity: Number(quantity.value), price: prices.get(product.value) };
    const body = { customerId: customer.value, items: [item], requestId: self.crypto?.randomUUID?.() };
    const button = form.querySelector("button");
    button.disabled = true;
    travel.replaceChildren();
    const sentAt = Date.now();
    try {
      const reply = await fetch("/orders", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
      const answer = await reply.json();
      if (!reply.ok) throw new Error(answer.message);
      say(`stored in ${Date.now() - sentAt} ms as ${answer.orderId.slice(-8)}, ${answer.status.toLowerCase().replace("_", " ")}`, "done");
      waiting.set(answer.orderId, sentAt);
      if (seen.has(answer.orderId)) arrived(answer.orderId);
    } catch (error) {
      say(`Not accepted: ${error.message}`, "problem");
    }
    button.disabled = false;
  });

  return {
    // The stream may be faster than the reply, so its latest orders are remembered.
    saw(change) {
      if (change.sequence !== 1) return;
      seen.set(change.orderId, Date.now());
      if (seen.size > 1000) seen.delete(seen.keys().next().value);
      if (waiting.has(change.orderId)) arrived(change.orderId);
    },
  };
}
