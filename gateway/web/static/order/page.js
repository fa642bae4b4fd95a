// The life of one order: what became of each of its events, and what is not known.
import { count, element, money } from "/static/format.js";

const byId = (id) => document.getElementById(id);
const WORDS = {
  PENDING: "waits in the outbox",
  REJECTED: "rejected by Kafka",
  DISCARDED: "discarded",
  PUBLISHED: "in Kafka, not counted yet",
  DEAD_LETTER: "dead letter",
  COUNTED: "counted",
};
const AGAIN_MS = 1000;
let timer;

const exact = (time) => (time ? time.replace("T", " ").replace(/(\.\d{3})\d*Z$/, "$1").replace("Z", "") : "–");
const after = (milliseconds) => (milliseconds < 10000 ? `${count(milliseconds)} ms` : `${count(milliseconds / 1000)} s`);
const words = (name) => name.toLowerCase().replaceAll("_", " ");

function fact(name, value) {
  const held = element("div");
  const told = element("dd");
  told.append(value || "–");
  held.append(element("dt", name), told);
  return held;
}

function traceStep(event) {
  const row = element("li", event.traceUrl ? "" : `trace ${event.traceId}${event.sampled ? ", sampled" : ""}`);
  if (event.traceUrl) row.append("trace ", traceLink(event.traceUrl, event.traceId));
  return row;
}

function traceLink(url, id) {
  const link = element("a", id);
  link.href = url;
  link.rel = "noreferrer";
  return link;
}

function* steps(event) {
  if (event.publishTime) yield element("li", `published ${exact(event.publishTime)}, ${after(event.outboxMs)} in the outbox`);
  if (event.offset !== undefined) yield element("li", `${event.topic}, partition ${event.partition}, offset ${event.offset}`);
  if (event.countTime) yield element("li", `counted ${exact(event.countTime)}, ${after(event.countMs)} after it happened${event.worker ? `, by worker ${event.worker}` : ""}`);
  if (event.cause) yield element("li", event.cause, "cause");
  if (event.deadLetterId) {
    const row = element("li");
    const link = element("a", event.deadLetterId);
    link.href = `/dead-letters#${event.deadLetterId}`;
    row.append("dead letter ", link);
    yield row;
  }
  if (event.traceId) yield traceStep(event);
  for (const missing of event.missing) yield element("li", missing, "unknown");
}

function eventRow(event) {
  const row = element("li");
  row.dataset.state = event.state;
  const title = element("h3", event.eventType === "EVENT_TYPE_UNSPECIFIED" ? "unknown event" : words(event.eventType));
  title.append(element("span", WORDS[event.state], "read"), element("span", exact(event.occurTime), "read"));
  const list = element("ul", "", "steps");
  list.append(...steps(event));
  row.append(title, list);
  return row;
}

function show(timeline) {
  byId("order").hidden = false;
  byId("order-title").textContent = `${words(timeline.status)} · ${money(timeline.totalPrice)}`;
  byId("read").textContent = `read ${exact(timeline.readTime)} UTC`;
  byId("facts").replaceChildren(
    fact("order", timeline.orderId),
    fact("customer", timeline.customerId),
    fact("received, trace id", timeline.traceUrl ? traceLink(timeline.traceUrl, timeline.traceId) : timeline.traceId),
    fact("committed", exact(timeline.commitTime)),
    fact("last changed", exact(timeline.updateTime)),
  );
  byId("events").replaceChildren(...timeline.events.map(eventRow));
  byId("missing").replaceChildren(...timeline.missing.map((one) => element("li", one)));
  const open = timeline.events.filter((one) => one.state !== "COUNTED");
  const notice = byId("notice");
  notice.dataset.state = open.length ? "DEGRADED" : "UP";
  notice.textContent = open.length ? `${open.length} of ${timeline.events.length} events are not counted.` : "Every event is counted.";
  // What is on its way is asked for again.
  if (open.some((one) => ["PENDING", "PUBLISHED"].includes(one.state))) timer = setTimeout(load, AGAIN_MS);
}

async function load() {
  clearTimeout(timer);
  const id = location.hash.slice(1);
  if (!id) return;
  byId("find").elements.order.value = id;
  try {
    const reply = await fetch(`/v1/orders/${encodeURIComponent(id)}:timeline`, { cache: "no-store" });
    const answer = await reply.json();
    if (!reply.ok) throw new Error(reply.status === 401 ? "This page needs a session: run ordermesh open." : answer.message);
    show(answer);
  } catch (error) {
    byId("order").hidden = true;
    byId("notice").dataset.state = "DOWN";
    byId("notice").textContent = error.message;
  }
}

byId("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = byId("find").elements.order.value.trim();
  if (location.hash === `#${id}`) load();
  else location.hash = id;
});
addEventListener("hashchange", load);
load();
