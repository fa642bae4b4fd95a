// A server-sent stream that resumes after the last revision, detects silence, and closes while the page is hidden.
const SILENCE_MS = 12000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;

export class Stream {
  constructor(path, { resumable, onMessage, onState }) {
    Object.assign(this, { path, resumable, onMessage, onState });
    this.revision = "";
    this.waitMs = FIRST_WAIT_MS;
    this.lostAt = null;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    setInterval(() => this.source && Date.now() - this.receivedAt > SILENCE_MS && this.lose("no message arrived"), 1000);
    this.open();
  }

  url() {
    return this.resumable && this.revision ? `${this.path}?afterRevision=${encodeURIComponent(this.revision)}` : this.path;
  }

  open() {
    this.close();
    this.receivedAt = Date.now();
    this.source = new EventSource(this.url());
    this.source.onmessage = (event) => this.receive(JSON.parse(event.data));
    this.source.onerror = () => this.lose("the connection was lost");
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  receive(message) {
    if (this.resumable) this.revision = message.revision;
    if (message.ended) return this.lose(message.ended.message);
    this.receivedAt = Date.now();
    this.waitMs = FIRST_WAIT_MS;
    if (this.lostAt) this.onState?.(null);
    this.lostAt = null;
    return this.onMessage(message);
  }

  lose(reason) {
    this.close();
    this.lostAt ??= new Date();
    this.onState?.({ since: this.lostAt, reason });
    this.timer = setTimeout(() => this.reconnect(), this.waitMs);
    this.waitMs = Math.min(LONGEST_WAIT_MS, this.waitMs * 1.7);
  }

  // An EventSource does not report why it was refused: the revision may no longer be in the log.
  async reconnect() {
    if (this.resumable && this.revision && this.waitMs > 1000) {
      const asking = new AbortController();
      const reply = await fetch(this.url(), { signal: asking.signal }).catch(() => null);
      if (reply?.status === 400) this.revision = "";
      asking.abort();
    }
    if (!document.hidden) this.open();
  }
}
