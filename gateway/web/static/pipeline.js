// The pipeline: five stages, and between them moving dots, more at higher rates.
import {
  count, element, latency, percent, perSecond, seconds, stateWord, timeOfDay, write, writeNumber,
} from "./format.js";

const DOTS = 6;
// The same as in home.css.
const TRAVEL_SECONDS = 2.4;
// `main` is the large number of a stage, `facts` the small ones, `rate` moves the dots after it.
const STAGES = [
  {
    component: "orders", title: "Accepted", unit: "orders stored",
    main: (s) => s.intake?.ordersTotal,
    facts: {
      rate: (s) => s.intake && perSecond(s.intake.ordersPerSecond),
      "p50 / p99": (s) => s.intake?.callLatency && latency(s.intake.callLatency),
      refused: (s) => s.intake && percent(s.intake.refusedShare),
    },
    rate: (s) => s.intake?.ordersPerSecond,
  },
  {
    component: "publisher", title: "Outbox", unit: "events pending",
    main: (s) => s.outbox?.pending,
    facts: {
      oldest: (s) => s.outbox && seconds(s.outbox.oldestPendingSeconds),
      "p50 / p99": (s) => s.outbox && latency(s.outbox.latency),
      refused: (s) => s.outbox && count(s.outbox.dead),
    },
    rate: (s) => s.outbox?.publishedPerSecond,
  },
  {
    component: "kafka", title: "Kafka", unit: "events in the log",
    main: (s) => s.kafka?.endOffsetTotal,
    facts: {
      lag: (s) => s.kafka && count(s.kafka.consumerLag),
      brokers: (s) => s.kafka && count(s.kafka.brokers),
      "dead letters": (s) => s.kafka && count(s.kafka.deadLetters),
    },
    rate: (s) => s.processing?.countedPerSecond,
  },
  {
    component: "processor", title: "Workers", unit: "running",
    main: (s) => s.processing?.workers,
    facts: {
      rate: (s) => s.processing && perSecond(s.processing.countedPerSecond),
      "p50 / p99": (s) => s.processing && latency(s.processing.latency),
      "dead letters": (s) => s.processing && deadLetters(s.processing),
      paused: (s) => s.processing && pausedNames(s.processing),
    },
    rate: (s) => s.processing?.countedPerSecond,
  },
  {
    component: "analytics", title: "Counted", unit: "events, each once",
    main: (s) => s.processing?.countedTotal,
    facts: {},
  },
];

function deadLetters(processing) {
  const rate = processing.deadLettersPerSecond > 0 ? ` (${perSecond(processing.deadLettersPerSecond)})` : "";
  return count(processing.deadLettersTotal) + rate;
}

function pausedNames(processing) {
  const names = (processing.pausedPartitions ?? []).map((one) => `${one.topic}/${one.partition}`);
  return names.length > 1 ? `${names.length} partitions` : names[0] ?? "none";
}

export class Pipeline {
  constructor(list) {
    this.cards = STAGES.map((stage, number) => {
      const card = makeCard(stage);
      list.append(card.root);
      if (number < STAGES.length - 1) list.append((card.rail = makeRail()));
      return card;
    });
  }

  show(status) {
    const components = Object.fromEntries(status.components.map((one) => [one.name, one]));
    STAGES.forEach((stage, number) => showCard(this.cards[number], stage, status, components[stage.component]));
  }
}

function makeCard(stage) {
  const root = element("li", "", "stage");
  const main = element("p", "–", "main");
  const unit = element("p", stage.unit, "unit");
  const list = element("dl");
  const facts = Object.keys(stage.facts).map((name) => {
    const value = element("dd", "–");
    const row = element("div");
    row.append(element("dt", name), value);
    list.append(row);
    return value;
  });
  root.append(element("h3", stage.title), main, unit, list);
  return { root, main, unit, facts };
}

function makeRail() {
  const rail = element("li", "", "rail");
  rail.setAttribute("aria-hidden", "true");
  const track = element("span", "", "track");
  for (let number = 0; number < DOTS; number += 1) track.append(element("i"));
  rail.append(track, element("span", "", "speed"));
  return rail;
}

function showCard(card, stage, status, component) {
  const value = stage.main(status);
  writeNumber(card.main, value === undefined || value === null ? "–" : count(value));
  Object.values(stage.facts).forEach((fact, number) => write(card.facts[number], fact(status) ?? "–"));
  card.root.dataset.state = component?.state ?? "STATE_UNSPECIFIED";
  write(card.unit, unitOrState(stage, component));
  if (!card.rail) return;
  const rate = stage.rate(status) ?? 0;
  // Two more dots for ten times the rate.
  moveDots(card.rail, rate > 0 ? Math.min(DOTS, Math.max(1, Math.ceil(2 * Math.log10(rate + 1)))) : 0);
  write(card.rail.lastChild, rate > 0 ? perSecond(rate) : "");
}

// Returns the unit of the main number, or the state of a component that is not up.
function unitOrState(stage, component) {
  if (component?.state === "UP") return stage.unit;
  if (!component?.state) return "unknown";
  return `${stateWord(component.state)} since ${timeOfDay(component.stateChangeTime)}`;
}

function moveDots(rail, dots) {
  if (rail.dataset.dots === String(dots)) return;
  rail.dataset.dots = dots;
  [...rail.querySelectorAll("i")].forEach((dot, number) => {
    dot.className = number < dots ? "moves" : "";
    dot.style.animationDelay = `${(-TRAVEL_SECONDS * number) / Math.max(1, dots)}s`;
  });
}
