// Event stream of a job, across lost connections and restarts of the service.
//
// EventSource reconnects by itself with the last id it received. It gives up on a response that is not a stream, such
// as one of a service that is starting, and does not detect a silently dead connection: this module handles both. A
// hidden page closes its connection, because a browser allows only a few connections per host.
import { below } from "../root.js";

const PATIENCE_MS = 20_000;
const PAUSES_MS = [500, 1000, 2000, 5000];

/** @typedef {"connecting"|"live"|"reconnecting"|"ended"} Connection */

/**
 * Follow a job until it has ended.
 *
 * @param {string} id of the job
 * @param {string} after id of the last known event
 * @param {(id: string, event: object) => void} onEvent receives each later event at least once
 * @param {(connection: Connection) => void} onConnection called when the state changes
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
    const opened = new EventSource(below(`/jobs/${encodeURIComponent(id)}/events?after=${last}`));
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

  /** After the browser gave up: end if the job is over, else reconnect. */
  async function ask(opened) {
    const job = await newest(id);
    if (source !== opened) return;
    if (job !== null && OVER.has(job.state) && (job.events ?? last) === last) end();
    else retry = setTimeout(open, PAUSES_MS[Math.min(failures++, PAUSES_MS.length - 1)]);
  }

  /** After a time without events, check whether the job has newer ones. */
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

/** The job's record; null if the service does not respond; {state: "removed"} if the job no longer exists. */
async function newest(id) {
  try {
    const answer = await fetch(below(`/jobs/${encodeURIComponent(id)}`), { cache: "no-store" });
    if (answer.status === 404) return { state: "removed" };
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}
