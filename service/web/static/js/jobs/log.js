// Log of a job, read incrementally.
import { ask } from "../api.js";
import { h } from "../dom.js";

const FIRST_LINES = 500;

/** The log section of a job's page. */
export class JobLog {
  constructor(id) {
    this.path = `/jobs/${encodeURIComponent(id)}/log`;
    this.offset = null;
    this.reading = false;
    this.again = false;
    this.text = h("pre.log", { tabindex: 0, role: "region", "aria-label": "Log" });
    this.nothing = h("p.small.muted", "The log is empty.");
    this.element = h("section.card.stack-tight",
      h("div.row.spread", h("h2", "Log"), h("a.small", { href: this.path, target: "_blank", rel: "noopener" }, "Whole log")),
      this.nothing, this.text);
    this.text.hidden = true;
  }

  /** Read new output; calls during a read cause one more read. */
  async refresh() {
    this.again = true;
    while (this.again && !this.reading) {
      this.again = false;
      this.reading = true;
      await this.#read();
      this.reading = false;
    }
  }

  async #read() {
    const query = this.offset === null ? { tail: FIRST_LINES } : { offset: this.offset };
    try {
      const answer = await ask(this.path, { query, headers: { accept: "text/plain" } });
      const text = await answer.text();
      this.offset = Number(answer.headers.get("x-duet-next-offset"));
      if (text) this.#append(text);
    } catch {
      // The connection state shows the outage; the next event triggers another read.
    }
  }

  #append(text) {
    const { text: place } = this;
    const atEnd = place.scrollTop + place.clientHeight >= place.scrollHeight - 8;
    this.nothing.hidden = true;
    place.hidden = false;
    place.append(text);
    if (atEnd) place.scrollTop = place.scrollHeight;
  }
}
