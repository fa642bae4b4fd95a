// Compares what was published with what was counted, when asked to, and remembers the last answer.
import { ago, count, element, money, timeOfDay } from "./format.js";

const KEPT = "ordermesh.verdict";
const WORDS = { AGREES: "Both ends agree.", IN_FLIGHT: "Both ends agree; some events are still on their way.", DIFFERS: "The two ends differ." };
const SHOWN_FINDINGS = 5;

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT));
  } catch {
    return null;
  }
}

export function offerProof(byId) {
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
    verdict.textContent = answer ? WORDS[answer.verdict] : "Not checked from here yet.";
    byId("proof").replaceChildren(row("events", "events", count), row("orders", "orders", count), row("units", "units", count), row("revenue", "revenue", money));
    const findings = (answer?.findings ?? []).slice(0, SHOWN_FINDINGS).map((one) => element("li", one.message));
    byId("findings").replaceChildren(...findings);
    showWhen();
  }

  async function verify() {
    const button = byId("verify");
    button.disabled = true;
    byId("verdict").textContent = "Comparing both ends …";
    try {
      const reply = await fetch("/v1/pipeline:reconcile", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
      const body = await reply.json();
      if (!reply.ok) throw new Error(body.message);
      answer = { ...body, findings: body.findings.slice(0, SHOWN_FINDINGS) };
      localStorage.setItem(KEPT, JSON.stringify(answer));
      show();
    } catch (error) {
      show();
      byId("verdict").dataset.verdict = "DIFFERS";
      byId("verdict").textContent = `Could not be checked: ${error.message}`;
    }
    button.disabled = false;
  }

  byId("verify").addEventListener("click", verify);
  setInterval(showWhen, 1000);
  show();
}
