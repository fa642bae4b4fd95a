// Shows the reconciliation of every minute; reconciles on request too, and keeps the last result.
import { ago, count, element, money, timeOfDay, write } from "./format.js";

const STORAGE_KEY = "ordermesh.verdict";
const WORDS = {
  AGREES: "Orders and metrics agree.",
  IN_FLIGHT: "Orders and metrics agree; some events are in flight.",
  DIFFERS: "Orders and metrics differ.",
};
const SHOWN_FINDINGS = 5;

function kept() {
  try {
    return JSON.parse(localStorage.getItem(STORAGE_KEY));
  } catch {
    return null;
  }
}

// Returns the line about the reconciliation of every minute, and a second one with its details.
function periodicWords({ verdict, exactUntilTime, summary, startTime, problem }) {
  const checked = startTime ? `Checked ${ago(startTime)} ago${problem ? `; since then: ${problem}` : ""}.` : problem;
  switch (verdict) {
    case "AGREES": return [`Exact up to ${timeOfDay(exactUntilTime)}`, `${summary}. ${checked}`];
    case "IN_FLIGHT": return ["Nothing differs, events are in flight", `${summary}. ${checked}`];
    case "DIFFERS": return ["Orders and metrics differ", `${summary}. ${checked} Reconcile now, or run ordermesh verify, to see what.`];
    default: return ["Not known to be exact", `No verdict in the last three minutes. ${checked}`];
  }
}

export function showPeriodicReconciliation(byId, status) {
  if (!status.reconciliation) return;
  const [line, detail] = periodicWords(status.reconciliation);
  byId("exact").dataset.verdict = status.reconciliation.verdict;
  write(byId("exact"), line);
  write(byId("exact-detail"), detail);
}

export function setUpReconciliation(byId) {
  let answer = kept();

  function row(name, field, show) {
    const made = element("tr");
    const head = element("th", name);
    head.scope = "row";
    made.append(head, ...["published", "counted"].map((end) => element("td", answer ? show(answer[end][field]) : "–", "number")));
    return made;
  }

  function showWhen() {
    byId("verified").textContent = answer ? `${timeOfDay(answer.startTime)}, ${ago(answer.startTime)} ago; took ${count(answer.durationMs)} ms` : "";
  }

  function show() {
    const verdict = byId("verdict");
    verdict.dataset.verdict = answer?.verdict ?? "NONE";
    verdict.textContent = answer ? WORDS[answer.verdict] : "Not reconciled from this browser yet.";
    byId("comparison").replaceChildren(row("events", "events", count), row("orders", "orders", count), row("units", "units", count), row("revenue", "revenue", money));
    const findings = (answer?.findings ?? []).slice(0, SHOWN_FINDINGS).map((one) => element("li", one.message));
    byId("findings").replaceChildren(...findings);
    showWhen();
  }

  async function verify() {
    const button = byId("verify");
    button.disabled = true;
    byId("verdict").textContent = "Reconciling …";
    try {
      const reply = await fetch("/v1/pipeline:reconcile", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
      const body = await reply.json();
      if (!reply.ok) throw new Error(body.message);
      answer = { ...body, findings: body.findings.slice(0, SHOWN_FINDINGS) };
      localStorage.setItem(STORAGE_KEY, JSON.stringify(answer));
      show();
    } catch (error) {
      show();
      byId("verdict").dataset.verdict = "DIFFERS";
      byId("verdict").textContent = `Reconciliation failed: ${error.message}`;
    }
    button.disabled = false;
  }

  byId("verify").addEventListener("click", verify);
  setInterval(showWhen, 1000);
  show();
}
