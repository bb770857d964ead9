// Follows the events of a job through lost connections and restarted services.
//
// The browser comes back by itself after a connection that broke, with the last id it saw. It gives up on an answer that
// is no stream, such as that of a service which is only starting; and it does not notice a connection that died without
// a word. Both are looked after here.

const PATIENCE_MS = 20_000;
const PAUSES_MS = [500, 1000, 2000, 5000];

/** @typedef {"connecting"|"live"|"reconnecting"|"ended"} Connection */

/**
 * Follow a job until it has ended.
 *
 * @param {string} id of the job
 * @param {string} after id of the last event that is known
 * @param {(id: string, event: object) => void} onEvent told each event after that one, once at least
 * @param {(connection: Connection) => void} onConnection told when that changes
 * @returns {() => void} stops following
 */
export function follow(id, after, onEvent, onConnection) {
  let source = null;
  let last = after;
  let connection = null;
  let failures = 0;
  let retry = 0;
  let watch = 0;

  const say = (next) => {
    if (next !== connection) onConnection((connection = next));
  };

  const stop = () => {
    clearTimeout(retry);
    clearTimeout(watch);
    source?.close();
    source = null;
    removeEventListener("online", open);
    removeEventListener("offline", away);
  };

  const end = () => {
    stop();
    say("ended");
  };

  const away = () => say("reconnecting");

  function open() {
    clearTimeout(retry);
    source?.close();
    source = new EventSource(`/jobs/${encodeURIComponent(id)}/events?after=${last}`);
    source.onopen = () => {
      failures = 0;
      say("live");
      rest();
    };
    source.onmessage = (message) => {
      last = message.lastEventId;
      rest();
      const event = JSON.parse(message.data);
      onEvent(last, event);
      if (event.event === "finished") end();
    };
    source.onerror = () => {
      say("reconnecting");
      if (source.readyState === EventSource.CLOSED) look();
    };
  }

  /** Whether there is more to come, now that the browser has given up. */
  async function look() {
    const job = await newest(id);
    if (source === null) return;
    if (job !== null && FINAL.has(job.state) && job.events === last) return end();
    retry = setTimeout(open, PAUSES_MS[Math.min(failures++, PAUSES_MS.length - 1)]);
  }

  /** After some time of silence, see whether the job has been silent as well. */
  function rest() {
    clearTimeout(watch);
    watch = setTimeout(async () => {
      const job = await newest(id);
      if (source === null) return;
      if (job === null || job.events !== last) {
        say("reconnecting");
        open();
      } else rest();
    }, PATIENCE_MS);
  }

  addEventListener("online", open);
  addEventListener("offline", away);
  say("connecting");
  open();
  return stop;
}

const FINAL = new Set(["succeeded", "failed", "cancelled"]);

/** The job's record, null where the service does not answer. */
async function newest(id) {
  try {
    const answer = await fetch(`/jobs/${encodeURIComponent(id)}`, { cache: "no-store" });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}
