// Shows one dead letter: its event decoded and as bytes, headers, and what operators did with it.
import { count, element } from "/static/format.js";

const SHOWN_BYTES = 2048;
const ROW_BYTES = 16;
const text = new TextDecoder("utf-8", { fatal: true });

export const dateTime = (time) => (time ? new Date(time).toISOString().slice(0, 19).replace("T", " ") : "");

const bytesOf = (base64) => Uint8Array.from(atob(base64 ?? ""), (character) => character.charCodeAt(0));

function readable(base64) {
  if (base64 === undefined) return "null";
  try {
    const decoded = text.decode(bytesOf(base64));
    return /[\u0000-\u001f\u007f]/.test(decoded) ? JSON.stringify(decoded) : decoded;
  } catch {
    return hexRows(bytesOf(base64));
  }
}

function hexRows(bytes) {
  const rows = [];
  for (let at = 0; at < Math.min(bytes.length, SHOWN_BYTES); at += ROW_BYTES) {
    const row = [...bytes.subarray(at, at + ROW_BYTES)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const shown = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    rows.push(`${hex.padEnd(ROW_BYTES * 3)} ${shown}`);
  }
  if (bytes.length > SHOWN_BYTES) rows.push(`… ${count(bytes.length - SHOWN_BYTES)} more bytes`);
  return rows.join("\n");
}

function fact(name, value) {
  const held = element("div");
  held.append(element("dt", name), element("dd", value || "–"));
  return held;
}

function headerRow(header) {
  const row = element("tr");
  row.append(element("td", header.name || readable(header.nameBytes)), element("td", readable(header.value)));
  return row;
}

export function showContent(byId, content) {
  const { deadLetter } = content;
  byId("content").hidden = false;
  byId("content-title").textContent = deadLetter.deadLetterId;
  byId("content-read").textContent = deadLetter.state.toLowerCase();
  byId("facts").replaceChildren(
    fact("reason", deadLetter.reason),
    fact("detail", deadLetter.detail),
    fact("event", deadLetter.eventId),
    fact("key", content.key === undefined ? "null" : readable(content.key)),
    fact("since", dateTime(deadLetter.createTime)),
    fact("redriven", dateTime(deadLetter.redriveTime)),
    fact("discarded", dateTime(deadLetter.discardTime)),
  );
  const event = content.orderEvent ?? content.stockEvent;
  byId("decoded").textContent = content.missing || (event ? JSON.stringify(event, null, 2) : "not an event of the contracts");
  byId("bytes").textContent = content.missing || hexRows(bytesOf(content.value)) || "no bytes";
  byId("headers").replaceChildren(...[...content.headers, ...content.causeHeaders].map(headerRow));
  const changes = content.changes.map((one) => element("li", `${dateTime(one.changeTime)} ${one.action} by ${one.subject} from ${one.clientAddress}`));
  byId("changes").replaceChildren(...(changes.length ? changes : [element("li", "nothing yet", "read")]));
  byId("redrive").disabled = Boolean(content.missing);
  byId("discard").disabled = deadLetter.state !== "OPEN";
}
