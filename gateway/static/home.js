"use strict";
// Shows the status of the pipeline, asked for once a second.
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const count = (value) => whole.format(Number(value ?? 0));
const ms = (latency) => (latency?.p99Ms ? `${fine.format(latency.p50Ms)} / ${fine.format(latency.p99Ms)} ms` : "–");
const perSecond = (value) => `${fine.format(value ?? 0)} / s`;

const STAGES = [
  ["Orders accepted", "intake", (s) => [count(s.ordersTotal), perSecond(s.ordersPerSecond), {}]],
  ["Events published", "outbox", (s) => [count(s.publishedTotal), perSecond(s.publishedPerSecond), {
    "waiting": count(s.pending), "oldest": `${fine.format(s.oldestPendingSeconds)} s`, "refused": count(s.dead), "p50 / p99": ms(s.latency) }]],
  ["Events in Kafka", "kafka", (s) => [count(s.endOffsetTotal), `${count(s.brokers)} broker${s.brokers === 1 ? "" : "s"}`, {
    "not yet counted": count(s.consumerLag), "dead letters": count(s.deadLetters) }]],
  ["Events counted", "processing", (s) => [count(s.countedTotal), perSecond(s.countedPerSecond), {
    "workers": count(s.workers), "set aside": count(s.parkedTotal), "p50 / p99": ms(s.latency) }]],
];

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function stage(title, values) {
  const card = element("article", "", "stage");
  const [main, rate, rows] = values ?? ["–", "does not answer", {}];
  const list = document.createElement("dl");
  for (const [name, value] of Object.entries(rows)) list.append(element("dt", name), element("dd", value));
  card.append(element("h2", title), element("div", main, "main"), element("div", rate, "rate"), list);
  return card;
}

function part(component) {
  const made = element("span", component.name, `part ${component.state}`);
  if (component.message) made.append(" ", element("small", component.message));
  return made;
}

function show(status) {
  const at = new Date(status.asOf).toLocaleTimeString();
  const down = status.components.filter((one) => one.state === "DOWN").map((one) => one.name);
  notice(down.length ? `${down.join(", ")} down · as of ${at}` : `Everything is up · as of ${at}`, down.length > 0);
  document.getElementById("stages").replaceChildren(...STAGES.map(([title, key, values]) => stage(title, status[key] && values(status[key]))));
  document.getElementById("parts").replaceChildren(...status.components.map(part));
  for (const id of ["stages", "parts"]) document.getElementById(id).hidden = false;
}

function notice(text, problem) {
  const line = document.getElementById("notice");
  line.textContent = text;
  line.className = problem ? "problem" : "";
}

async function ask() {
  try {
    const reply = await fetch("/v1/pipeline/status", { cache: "no-store" });
    if (!reply.ok) throw new Error(`the gateway answered ${reply.status}`);
    show(await reply.json());
  } catch (error) {
    notice(`No status: ${error.message}`, true);
  }
  setTimeout(ask, 1000);
}

ask();
