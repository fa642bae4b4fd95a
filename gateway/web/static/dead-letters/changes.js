// Redrives and discards dead letters: asks first, with a dry run, and continues until all have their result.
import { count, element } from "/static/format.js";

const WORDS = {
  redrive: { title: "Redrive", done: "redriven", what: "Their events are sent again, byte for byte. An event that was counted is not counted again." },
  discard: { title: "Discard", done: "discarded", what: "Their events are never counted." },
};
const SHOWN_PROBLEMS = 20;

const named = (number) => (Number(number) === 1 ? "1 dead letter" : `${count(number)} dead letters`);

export async function confirmed(byId, method, selection, total, ask) {
  const { title, what } = WORDS[method];
  const trial = await ask(`/v1/dead-letters:${method}`, { ...selection, validateOnly: true });
  const problems = trial.results.filter((one) => one.error);
  byId("confirm-title").textContent = `${title} ${named(total)}?`;
  byId("confirm-text").textContent = what;
  byId("confirm-problems").replaceChildren(...problems.slice(0, SHOWN_PROBLEMS).map((one) => element("li", `${one.deadLetterId}: ${one.error}`)));
  byId("confirm-yes").textContent = title;
  const dialog = byId("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return dialog.returnValue === "yes";
}

export async function changeAll(method, selection, ask, tell) {
  let done = 0;
  let failed = [];
  let request = selection;
  while (request) {
    const answer = await ask(`/v1/dead-letters:${method}`, request);
    done += answer.results.filter((one) => !one.error).length;
    failed = [...failed, ...answer.results.filter((one) => one.error)];
    tell(`${count(done + failed.length)} …`);
    request = answer.nextPageToken ? { filter: { ...selection.filter, pageToken: answer.nextPageToken } } : null;
  }
  const problems = failed.length ? `, ${named(failed.length)} not: ${failed[0].deadLetterId}: ${failed[0].error}` : "";
  return `${named(done)} ${WORDS[method].done}${problems}`;
}
