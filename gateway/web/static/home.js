// Connects the page to its streams: status, totals, orders.
import { MinuteChart } from "./chart.js";
import { ago, count, element, money, stateWord, timeOfDay, write, writeNumber } from "./format.js";
import { LastOrders } from "./last-orders.js";
import { Pipeline } from "./pipeline.js";
import { setUpReconciliation, showPeriodicReconciliation } from "./reconciliation.js";
import { Stream } from "./stream.js";
import { setUpTestOrders } from "./test-order.js";

const byId = (id) => document.getElementById(id);
const pipeline = new Pipeline(byId("flow"));
const chart = new MinuteChart(byId("chart"), byId("minutes-read"));
const last = new LastOrders(byId("last"), byId("last-read"));
const names = new Map();
let status = null;
let lost = null;
let signedOut = false;

function showNotice() {
  const line = byId("notice");
  if (signedOut) {
    line.dataset.state = "DOWN";
    return write(line, "This page needs a session: run ordermesh open, and use the link.");
  }
  if (lost) {
    line.dataset.state = "DOWN";
    const when = `${ago(lost.since)} ago, at ${timeOfDay(lost.since)}`;
    return write(line, `This page lost the gateway ${when}; reconnecting. The data shown is from before.`);
  }
  if (!status) return undefined;
  // A component that only needs another one is not listed: the other one is.
  const troubled = status.components.filter((one) => one.state !== "UP" && !one.message.startsWith("needs "));
  const down = troubled.some((one) => one.state === "DOWN");
  line.dataset.state = status.ready ? "UP" : down ? "DOWN" : "DEGRADED";
  const words = troubled.map(describe);
  return write(line, status.ready ? "Everything is up." : `${words.join("; ") || "Not everything is up"}.`);
}

function describe(component) {
  const { name, state, stateChangeTime: since, message } = component;
  return `${name} is ${stateWord(state)} since ${timeOfDay(since)} (${ago(since)})${message ? `: ${message}` : ""}`;
}

function showComponents(components) {
  const rows = components.map((one) => {
    const row = element("li");
    row.dataset.state = one.state;
    row.append(element("strong", one.name), element("span", `${stateWord(one.state)} for ${ago(one.stateChangeTime)}`, "read"));
    if (one.message) row.append(element("small", one.message));
    return row;
  });
  byId("components").replaceChildren(...rows);
}

function showStatus(message) {
  status = message.status;
  pipeline.show(status);
  showComponents(status.components);
  showPeriodicReconciliation(byId, status);
  writeNumber(byId("total-backorders"), status.intake ? count(status.intake.backorders) : "–");
  showNotice();
}

function showTotals(summary) {
  writeNumber(byId("total-orders"), count(summary.ordersTotal));
  writeNumber(byId("total-net"), money(summary.netRevenue));
  writeNumber(byId("total-revenue"), money(summary.revenueTotal));
  writeNumber(byId("total-cancelled"), money(summary.cancelledRevenue));
  writeNumber(byId("total-average"), money(summary.averageOrderValue));
  const rows = summary.ordersByStatus.map((one) => {
    const row = element("li", "", `status ${one.status}`);
    row.append(element("span", one.status.toLowerCase().replace("_", " ")), element("b", count(one.orders)));
    return row;
  });
  byId("statuses").replaceChildren(...rows);
}

async function ask(path) {
  const reply = await fetch(path, { cache: "no-store" });
  if (signedOut !== (reply.status === 401)) {
    signedOut = reply.status === 401;
    showNotice();
  }
  if (!reply.ok) throw new Error(`${path} returned ${reply.status}`);
  return reply.json();
}

async function nameOf(productId) {
  if (!names.has(productId)) {
    names.set(productId, productId);
    await ask(`/v1/products/${encodeURIComponent(productId)}`).then((one) => names.set(productId, one.name), () => names.delete(productId));
  }
  return names.get(productId) ?? productId;
}

async function showTop() {
  const { products } = await ask("/v1/analytics/top-products?limit=6");
  const most = Math.max(1, ...products.map((one) => Number(one.units)));
  const rows = await Promise.all(products.map(async (one) => {
    const row = element("li");
    const bar = element("span", "", "share");
    bar.append(element("i"));
    bar.firstChild.style.width = `${(100 * Number(one.units)) / most}%`;
    const name = element("span", await nameOf(one.productId), "product");
    row.append(name, element("b", count(one.units)), bar, element("small", `${one.productId} · ${money(one.revenue)}`));
    return row;
  }));
  byId("top").replaceChildren(...rows);
}

// Reloads when something was counted, at most every two seconds.
let due = true;
async function refresh() {
  if (due && !document.hidden) {
    due = false;
    await Promise.all([ask("/v1/analytics/orders-per-minute").then((reply) => chart.show(reply.minutes)), showTop()]).catch(() => (due = true));
  }
  setTimeout(refresh, 2000);
}

const order = setUpTestOrders(byId("order"), byId("travel"), ask);
setUpReconciliation(byId);
new Stream("/v1/pipeline/status:watch", {
  resumable: false,
  onMessage: showStatus,
  onState: (state) => { lost = state; document.body.classList.toggle("stale", Boolean(state)); showNotice(); },
});
new Stream("/v1/analytics:watch", {
  resumable: true,
  onMessage: (message) => { if (message.summary) { showTotals(message.summary); due = true; } },
});
new Stream("/v1/orders:watch", {
  resumable: true,
  onMessage: (message) => { if (message.change) { last.add(message.change); order.saw(message.change); } },
  onState: (state) => last.lost(state),
});
setInterval(showNotice, 1000);
setInterval(() => (due = true), 30000);
const signOut = byId("sign-out");
signOut.hidden = !localStorage.getItem("ordermesh-session");
signOut.addEventListener("click", async () => {
  await fetch("/session", { method: "DELETE" }).catch(() => null);
  localStorage.removeItem("ordermesh-session");
  location.reload();
});
last.begin(ask);
refresh();
