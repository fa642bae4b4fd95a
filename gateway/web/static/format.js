// Numbers and times as people read them.
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const cents = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

export const count = (value) => whole.format(Number(value ?? 0));
export const money = (value) => cents.format(Number(value ?? 0));
export const brief = (value) => short.format(Number(value ?? 0));
export const perSecond = (value) => `${fine.format(value ?? 0)}/s`;
export const seconds = (value) => `${fine.format(value ?? 0)} s`;
export const timeOfDay = (time) => clock.format(new Date(time));
export const minuteOfDay = (time) => minute.format(new Date(time));

// Half are faster than the first, 99 of 100 than the second.
export function latency({ p50Ms, p99Ms }) {
  if (!p99Ms) return "–";
  return p99Ms < 1000 ? `${whole.format(p50Ms)} / ${whole.format(p99Ms)} ms` : `${fine.format(p50Ms / 1000)} / ${fine.format(p99Ms / 1000)} s`;
}

export function ago(time) {
  const passed = Math.max(0, Math.round((Date.now() - new Date(time).getTime()) / 1000));
  if (passed < 60) return `${passed} s`;
  if (passed < 3600) return `${Math.floor(passed / 60)} min`;
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ${Math.floor((passed % 3600) / 60)} min`;
  return `${Math.floor(passed / 86400)} d`;
}

export function element(name, text = "", className = "") {
  const made = document.createElement(name);
  if (text !== "") made.textContent = text;
  if (className) made.className = className;
  return made;
}

// Writes a number that its card has to hold: the style makes long ones smaller.
export function writeNumber(node, text) {
  write(node, text);
  node.style.setProperty("--characters", String(text.length));
}

// Writes only what changed, so that a selection or a reader's place is not lost.
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// The word for a part's state.
export function stateWord(state) {
  return { UP: "up", DOWN: "down", DEGRADED: "degraded", DRAINING: "draining" }[state] ?? "not known";
}

// A share in percent.
export function percent(share) {
  return `${(100 * (share ?? 0)).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
}
