// Orders (bars) and revenue (line) of the last 30 minutes; the pointer or the arrow keys select a minute.
import { brief, count, minuteOfDay, money } from "./format.js";

const MINUTES = 30;
const LEFT = 44;
const RIGHT = 52;
const TOP = 10;
const BOTTOM = 24;

function shape(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Returns the next round number.
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= value) ?? 1;
}

export class MinuteChart {
  constructor(holder, readout) {
    Object.assign(this, { holder, readout, minutes: [], chosen: null });
    holder.addEventListener("pointermove", (event) => this.choose(this.numberAt(event)));
    holder.addEventListener("pointerleave", () => this.choose(null));
    holder.addEventListener("blur", () => this.choose(null));
    holder.addEventListener("keydown", (event) => this.press(event));
    this.show([]);
    new ResizeObserver(() => this.draw()).observe(holder);
  }

  show(known) {
    const last = Math.floor(Date.now() / 60000) * 60000;
    const byTime = new Map(known.map((one) => [new Date(one.startTime).getTime(), one]));
    this.minutes = Array.from({ length: MINUTES }, (_, number) => {
      const time = last - (MINUTES - 1 - number) * 60000;
      return { time, orders: byTime.get(time)?.orders ?? 0, revenue: byTime.get(time)?.revenue ?? 0 };
    });
    this.draw();
  }

  get width() { return Math.max(200, this.holder.clientWidth); }
  get height() { return Math.max(100, this.holder.clientHeight); }
  x(number) { return LEFT + (number * (this.width - LEFT - RIGHT)) / MINUTES; }
  y(value, most) { return this.height - BOTTOM - (value / most) * (this.height - TOP - BOTTOM); }

  draw() {
    const mostOrders = roundUp(Math.max(4, ...this.minutes.map((one) => one.orders)));
    const mostRevenue = roundUp(Math.max(1, ...this.minutes.map((one) => one.revenue)));
    const svg = shape("svg", { viewBox: `0 0 ${this.width} ${this.height}`, "aria-hidden": "true" });
    for (const share of [0, 0.5, 1]) this.drawLine(svg, share, mostOrders, mostRevenue);
    const wide = (this.width - LEFT - RIGHT) / MINUTES;
    this.minutes.forEach((one, number) => {
      const top = this.y(one.orders, mostOrders);
      const own = { x: this.x(number) + wide * 0.16, y: top, width: wide * 0.68, height: this.height - BOTTOM - top, rx: 1.5 };
      if (one.orders) svg.append(shape("rect", { ...own, class: number === this.chosen ? "bar chosen" : "bar" }));
      if (number % 10 === 9) svg.append(shape("text", { x: this.x(number) + wide / 2, y: this.height - 6, class: "tick middle" }, minuteOfDay(one.time)));
    });
    const points = this.minutes.map((one, number) => `${this.x(number) + wide / 2},${this.y(one.revenue, mostRevenue)}`);
    svg.append(shape("polyline", { points: points.join(" "), class: "line" }));
    this.holder.replaceChildren(svg);
    this.showSelected();
  }

  drawLine(svg, share, mostOrders, mostRevenue) {
    const y = this.y(share, 1);
    svg.append(shape("line", { x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y, class: share ? "grid" : "grid ground" }));
    if (!share) return;
    svg.append(shape("text", { x: LEFT - 8, y: y + 4, class: "tick end" }, brief(share * mostOrders)));
    svg.append(shape("text", { x: this.width - RIGHT + 8, y: y + 4, class: "tick revenue" }, brief(share * mostRevenue)));
  }

  numberAt(event) {
    const box = this.holder.getBoundingClientRect();
    const x = event.clientX - box.left;
    return Math.min(MINUTES - 1, Math.max(0, Math.floor(((x - LEFT) / (this.width - LEFT - RIGHT)) * MINUTES)));
  }

  press(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.choose(Math.min(MINUTES - 1, Math.max(0, (this.chosen ?? MINUTES) + step)));
  }

  choose(number) {
    if (number === this.chosen) return;
    this.chosen = number;
    this.draw();
  }

  showSelected() {
    const one = this.minutes[this.chosen ?? MINUTES - 1];
    const words = `${minuteOfDay(one.time)} · ${count(one.orders)} ${one.orders === 1 ? "order" : "orders"} · ${money(one.revenue)} revenue`;
    this.readout.textContent = words;
    const sum = this.minutes.reduce((all, minute) => all + minute.orders, 0);
    this.holder.setAttribute("aria-label", `Orders and revenue per minute, the last 30 minutes: ${count(sum)} orders. ${words}`);
  }
}
