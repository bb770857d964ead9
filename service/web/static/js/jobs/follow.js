// Follows the events of a job through lost connections and restarted services.
//
// The browser comes back by itself after a connection that broke, with the last id it saw. It gives up on an answer
// that is no stream, such as that of a service which is only starting, and does not notice a connection that died
// without a word: both are looked after here. A page that nobody sees lets go of its connection, because a browser has
// only a few of them for all pages of a service.

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

  const close = () => {
    clearTimeout(retry);
    clearTimeout(watch);
    source?.close();
    source = null;
  };

  const stop = () => {
    close();
    removeEventListener("online", looked);
    removeEventListener("offline", away);
    document.removeEventListener("visibilitychange", looked);
  };

  const end = () => {
    stop();
    say("ended");
  };

  const away = () => say("reconnecting");

  const looked = () => {
    if (!document.hidden) return open();
    close();
    say("connecting");
  };

  function open() {
    close();
    const opened = new EventSource(`/jobs/${encodeURIComponent(id)}/events?after=${last}`);
    source = opened;
    opened.onopen = () => {
      failures = 0;
      say("live");
      listen();
    };
    opened.onmessage = (message) => {
      last = message.lastEventId;
      listen();
      const event = JSON.parse(message.data);
      onEvent(last, event);
      if (event.event === "finished") end();
    };
    opened.onerror = () => {
      say("reconnecting");
      if (opened.readyState === EventSource.CLOSED) ask(opened);
    };
    listen();
  }

  /** Whether there is more to come, now that the browser has given up. */
  async function ask(opened) {
    const job = await newest(id);
    if (source !== opened) return;
    if (job !== null && OVER.has(job.state) && (job.events ?? last) === last) end();
    else retry = setTimeout(open, PAUSES_MS[Math.min(failures++, PAUSES_MS.length - 1)]);
  }

  /** After some time of silence, see whether the job has been silent as well. */
  function listen() {
    clearTimeout(watch);
    watch = setTimeout(async () => {
      const opened = source;
      const job = await newest(id);
      if (source !== opened) return;
      if (job === null || (job.events ?? last) !== last) {
        say("reconnecting");
        open();
      } else listen();
    }, PATIENCE_MS);
  }

  addEventListener("online", looked);
  addEventListener("offline", away);
  document.addEventListener("visibilitychange", looked);
  say("connecting");
  if (!document.hidden) open();
  return stop;
}

const OVER = new Set(["succeeded", "failed", "cancelled", "removed"]);

/** The job's record; null where the service does not answer; of a job that is no longer kept, its state alone. */
async function newest(id) {
  try {
    const answer = await fetch(`/jobs/${encodeURIComponent(id)}`, { cache: "no-store" });
    if (answer.status === 404) return { state: "removed" };
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}
