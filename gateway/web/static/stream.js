// A server-sent stream that goes on after the last revision, notices silence, and rests while nobody looks.
const SILENCE_MS = 12000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;

export class Stream {
  constructor(path, { resumable, onMessage, onState }) {
    Object.assign(this, { path, resumable, onMessage, onState });
    this.revision = "";
    this.waitMs = FIRST_WAIT_MS;
    this.lostAt = null;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.rest() : this.open()));
    setInterval(() => this.source && Date.now() - this.heardAt > SILENCE_MS && this.lose("nothing was heard"), 1000);
    this.open();
  }

  url() {
    return this.resumable && this.revision ? `${this.path}?afterRevision=${encodeURIComponent(this.revision)}` : this.path;
  }

  open() {
    this.rest();
    this.heardAt = Date.now();
    this.source = new EventSource(this.url());
    this.source.onmessage = (event) => this.hear(JSON.parse(event.data));
    this.source.onerror = () => this.lose("the connection broke");
  }

  rest() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  hear(message) {
    if (this.resumable) this.revision = message.revision;
    if (message.ended) return this.lose(message.ended.message);
    this.heardAt = Date.now();
    this.waitMs = FIRST_WAIT_MS;
    if (this.lostAt) this.onState?.(null);
    this.lostAt = null;
    return this.onMessage(message);
  }

  lose(reason) {
    this.rest();
    this.lostAt ??= new Date();
    this.onState?.({ since: this.lostAt, reason });
    this.timer = setTimeout(() => this.comeBack(), this.waitMs);
    this.waitMs = Math.min(LONGEST_WAIT_MS, this.waitMs * 1.7);
  }

  // An EventSource does not tell why it was refused: a revision may be gone for good.
  async comeBack() {
    if (this.resumable && this.revision && this.waitMs > 1000) {
      const asking = new AbortController();
      const reply = await fetch(this.url(), { signal: asking.signal }).catch(() => null);
      if (reply?.status === 400) this.revision = "";
      asking.abort();
    }
    if (!document.hidden) this.open();
  }
}
