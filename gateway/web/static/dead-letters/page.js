// The desk of dead letters: groups, a list of one group, one dead letter, and what is done with them.
import { ago, count, element } from "/static/format.js";
import { dateTime, showContent } from "/static/dead-letters/content.js";
import { changeAll, confirmed } from "/static/dead-letters/changes.js";

const PAGE_SIZE = 50;
const byId = (id) => document.getElementById(id);
// The filters of a group: as in ListDeadLetters.
let group = {};
let shown = { letters: [], next: "", total: 0 };

export async function ask(path, body) {
  const options = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const reply = await fetch(path, { cache: "no-store", ...options });
  const answer = await reply.json();
  if (!reply.ok) throw new Error(reply.status === 401 ? "This page needs a session: run ordermesh open." : answer.message);
  return answer;
}

function filters() {
  const { state, key, text } = Object.fromEntries(new FormData(byId("filters")));
  return Object.fromEntries(Object.entries({ ...group, state, key, text }).filter(([, value]) => value));
}

function button(words, action) {
  const made = element("button", words, "pick");
  made.type = "button";
  made.addEventListener("click", action);
  return made;
}

function cell(content, className = "") {
  const made = element("td", "", className);
  made.append(content);
  return made;
}

function groupRow(one) {
  const row = element("tr");
  const day = one.dayStartTime.slice(0, 10);
  const type = one.eventType === "EVENT_TYPE_UNSPECIFIED" ? "" : one.eventType;
  const endTime = new Date(new Date(one.dayStartTime).getTime() + 86400000).toISOString();
  const wanted = { source: one.source, topic: one.topic, reason: one.reason, eventType: type, startTime: one.dayStartTime, endTime };
  const reason = button(one.reason || "no reason", () => choose(wanted, `${one.reason} of ${day}`));
  row.append(cell(day), cell(one.source), cell(one.topic), cell(reason), cell(type), cell(count(one.deadLetters), "number"), cell(`${ago(one.oldestTime)} ago`));
  row.classList.toggle("chosen", JSON.stringify(wanted) === JSON.stringify(group));
  return row;
}

function letterRow(one) {
  const row = element("tr");
  const type = one.eventType === "EVENT_TYPE_UNSPECIFIED" ? "" : one.eventType;
  const detail = cell(one.detail);
  detail.title = one.detail;
  row.append(cell(button(one.deadLetterId, () => open(one.deadLetterId))), cell(one.reason), cell(type), cell(dateTime(one.createTime).slice(5)), cell(one.key, "id"), detail);
  row.title = dateTime(one.createTime);
  return row;
}

function pausedRow(one) {
  const name = `${one.topic}/${one.partition}`;
  const row = element("li", `${name}: ${count(one.bad)} of ${count(one.records)} records could not be counted. `);
  if (one.resumeTime) row.append(`Resumed ${ago(one.resumeTime)} ago.`);
  else row.append(`Paused for ${ago(one.pauseTime)}. `, button("Resume", () => guarded(async () => {
    await ask("/v1/dead-letters:resumePartitions", { partitions: [name] });
    await showGroups();
  })));
  return row;
}

async function showGroups() {
  const summary = await ask("/v1/dead-letters:summary");
  const total = Number(summary.outboxTotal) + Number(summary.processorTotal);
  byId("groups").replaceChildren(...summary.groups.map(groupRow));
  byId("groups-read").textContent = `${count(summary.outboxTotal)} of the outbox, ${count(summary.processorTotal)} of the processor`;
  byId("paused").replaceChildren(...summary.pausedPartitions.map(pausedRow));
  const line = byId("notice");
  line.dataset.state = total ? "DEGRADED" : "UP";
  line.textContent = total ? `${count(total)} open, the oldest for ${ago(summary.oldestTime)}.` : "No open dead letters.";
}

async function showList(pageToken = "") {
  const query = new URLSearchParams({ ...filters(), pageSize: PAGE_SIZE, ...(pageToken && { pageToken }) });
  const page = await ask(`/v1/dead-letters?${query}`);
  shown = { letters: [...(pageToken ? shown.letters : []), ...page.deadLetters], next: page.nextPageToken, total: page.totalSize };
  byId("letters").replaceChildren(...shown.letters.map(letterRow));
  byId("list-read").textContent = `${count(shown.letters.length)} of ${count(shown.total)}`;
  byId("more").hidden = !shown.next;
  const isOpen = filters().state === "OPEN";
  byId("redrive-all").disabled = byId("discard-all").disabled = !isOpen || Number(shown.total) === 0;
}

async function choose(wanted, title) {
  group = wanted;
  byId("filters").elements.state.value = "OPEN";
  byId("list-title").textContent = title;
  await guarded(refresh);
if (location.hash) open(location.hash.slice(1));
}

async function open(id) {
  await guarded(async () => showContent(byId, await ask(`/v1/dead-letters/${encodeURIComponent(id)}`)));
  byId("content").scrollIntoView({ behavior: "smooth" });
}

async function refresh() {
  await Promise.all([showGroups(), showList()]);
}

// Shows the error of an action where the state is shown.
async function guarded(action) {
  try {
    await action();
  } catch (error) {
    byId("notice").dataset.state = "DOWN";
    byId("notice").textContent = error.message;
  }
}

async function change(method, selection, total) {
  await guarded(async () => {
    if (!(await confirmed(byId, method, selection, total, ask))) return;
    byId("done").textContent = await changeAll(method, selection, ask, (words) => (byId("done").textContent = words));
    await refresh();
    const opened = byId("content-title").textContent;
    if (opened && !byId("content").hidden) await open(opened).catch(() => (byId("content").hidden = true));
  });
}

const one = () => ({ deadLetterIds: [byId("content-title").textContent] });
byId("redrive").addEventListener("click", () => change("redrive", one(), 1));
byId("discard").addEventListener("click", () => change("discard", one(), 1));
byId("redrive-all").addEventListener("click", () => change("redrive", { filter: filters() }, shown.total));
byId("discard-all").addEventListener("click", () => change("discard", { filter: filters() }, shown.total));
byId("more").addEventListener("click", () => guarded(() => showList(shown.next)));
byId("clear").addEventListener("click", () => { byId("filters").reset(); choose({}, "All open dead letters"); });
byId("filters").addEventListener("submit", (event) => { event.preventDefault(); guarded(() => showList()); });
guarded(refresh);
if (location.hash) open(location.hash.slice(1));
