// Formats numbers and times.
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

// Formats the median and the 99th percentile.
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

// Writes a number; the style makes long ones smaller, so that they fit into their card.
export function writeNumber(node, text) {
  write(node, text);
  node.style.setProperty("--characters", String(text.length));
}

// Writes only changed text, so that a selection or the position of a screen reader is kept.
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Returns the word for the state of a component.
export function stateWord(state) {
  return { UP: "up", DOWN: "down", DEGRADED: "degraded", DRAINING: "draining" }[state] ?? "unknown";
}

// Formats a share in percent.
export function percent(share) {
  return `${(100 * (share ?? 0)).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
}
