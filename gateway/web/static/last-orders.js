// The latest order changes, newest first.
import { element, money, timeOfDay, write } from "./format.js";

const ROWS = 8;
const DRAW_MS = 250;
const WORDS = {
  ORDER_CREATED: "created",
  STOCK_ALLOCATED: "stock allocated",
  PAYMENT_COMPLETED: "paid",
  ORDER_SHIPPED: "shipped",
  ORDER_CANCELLED: "cancelled",
};

export class LastOrders {
  constructor(body, readout) {
    Object.assign(this, { body, readout, changes: [], state: null });
    this.draw();
  }

  // Loads the orders from before the stream started.
  async begin(ask) {
    const { orders } = await ask(`/v1/orders?pageSize=${ROWS}`).catch(() => ({ orders: [] }));
    const known = new Set(this.changes.map((one) => one.orderId));
    const before = orders.filter((one) => !known.has(one.orderId)).map((one) => ({ ...one, occurTime: one.createdAt }));
    this.changes = [...this.changes, ...before].slice(0, ROWS);
    this.draw();
  }

  // Draws at most four times a second. An event that was published again may come after later ones of its order.
  add(change) {
    if (this.changes.some((one) => one.orderId === change.orderId && one.sequence >= change.sequence)) return;
    this.changes = [{ ...change, fresh: true }, ...this.changes].slice(0, ROWS);
    this.timer ??= setTimeout(() => this.draw(), DRAW_MS);
  }

  lost(state) {
    this.state = state;
    this.showState();
  }

  showState() {
    const none = this.changes.length ? "" : "none yet: place a test order below";
    write(this.readout, this.state ? `no updates since ${timeOfDay(this.state.since)}: ${this.state.reason}` : none);
  }

  draw() {
    this.timer = undefined;
    const rows = this.changes.map(makeRow);
    while (rows.length < ROWS) rows.push(emptyRow());
    this.body.replaceChildren(...rows);
    this.changes.forEach((one) => (one.fresh = false));
    this.showState();
  }
}

function makeRow(change) {
  const row = element("tr", "", change.fresh ? "fresh" : "");
  const state = change.status ?? "";
  const what = element("span", WORDS[change.type] ?? state.toLowerCase().replace("_", " "), `badge ${state}`);
  const order = element("td", "", "id");
  const link = element("a", change.orderId.slice(-8));
  link.href = `/order#${change.orderId}`;
  link.title = change.orderId;
  order.append(link);
  const held = element("td");
  held.append(what);
  const customer = element("td", change.customerId, "customer");
  const total = element("td", money(change.totalPrice), "number");
  row.append(element("td", timeOfDay(change.occurTime)), order, customer, held, total);
  return row;
}

function emptyRow() {
  const row = element("tr", "", "empty");
  row.append(element("td", "\u00a0"), element("td", "", "id"), element("td"), element("td"), element("td"));
  return row;
}
