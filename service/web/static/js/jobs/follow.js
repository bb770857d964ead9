// Event stream of a job, across lost connections and restarts of the service.
//
// EventSource reconnects by itself with the last id it received. It gives up on a response that is not a stream, such
// as one of a service that is starting, and does not detect a silently dead connection: this module handles both. A
// hidden page closes its connection, because a browser allows only a few connections per host.
import { below } from "../root.js";

const PATIENCE_MS = 20_000;
const PAUSES_MS = [500, 1000, 2000, 5000];

/** @typedef {"connecting"|"live"|"lost"|"ended"} Connection */

/** @typedef {{since: Date, reason: string|null}} Loss time of the last answer; what the service answers instead, if it does */

/**
 * Follow a job until it has ended.
 *
 * @param {string} id of the job
 * @param {string} after id of the last known event
 * @param {(id: string, event: object) => void} onEvent receives each later event at least once
 * @param {(connection: Connection, loss: Loss|null) => void} onConnection called when the state or the loss changes
 * @returns {() => void} stops following
 */
export function follow(id, after, onEvent, onConnection) {
  let source = null;
  let last = after;
  let connection = null;
  let loss = null;
  let heard = new Date();
  let failures = 0;
  let retry = 0;
  let watch = 0;

  const say = (next) => {
    if (next === connection) return;
    connection = next;
    loss = null;
    onConnection(connection, loss);
  };

  /** The connection is lost since this time; a loss keeps the time of its beginning. */
  const lose = (since, reason = null) => {
    if (connection === "lost" && loss.reason === reason) return;
    loss = { since: connection === "lost" ? loss.since : since, reason };
    connection = "lost";
    onConnection(connection, loss);
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

  const away = () => lose(new Date());

  const looked = () => {
    if (!document.hidden) return open();
    close();
    if (connection !== "lost") say("connecting");
  };

  function open() {
    close();
    const opened = new EventSource(below(`/jobs/${encodeURIComponent(id)}/events?after=${last}`));
    source = opened;
    opened.onopen = () => {
      failures = 0;
      heard = new Date();
      say("live");
      listen();
    };
    opened.onmessage = (message) => {
      last = message.lastEventId;
      heard = new Date();
      listen();
      const event = JSON.parse(message.data);
      onEvent(last, event);
      if (event.event === "finished") end();
    };
    opened.onerror = () => {
      // The end of a connection is noticed at once, so that the service answered until now.
      lose(connection === "live" ? new Date() : heard);
      if (opened.readyState === EventSource.CLOSED) ask(opened);
    };
    listen();
  }

  /** After the browser gave up: end if the job is over, else reconnect. */
  async function ask(opened) {
    const { job, reason } = await newest(id);
    if (source !== opened) return;
    if (job !== null && OVER.has(job.state) && (job.events ?? last) === last) return end();
    if (reason !== null) lose(heard, reason);
    retry = setTimeout(open, PAUSES_MS[Math.min(failures++, PAUSES_MS.length - 1)]);
  }

  /** After a time without events, check whether the job has newer ones. */
  function listen() {
    clearTimeout(watch);
    watch = setTimeout(async () => {
      const opened = source;
      const { job, reason } = await newest(id);
      if (source !== opened) return;
      if (job === null) lose(heard, reason);
      else heard = new Date();
      if (job === null || (job.events ?? last) !== last) open();
      else listen();
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

/** The job's record, {state: "removed"} if it no longer exists, or null with the reason, null if nothing responds. */
async function newest(id) {
  try {
    const answer = await fetch(below(`/jobs/${encodeURIComponent(id)}`), { cache: "no-store" });
    if (answer.status === 404) return { job: { state: "removed" }, reason: null };
    const fields = await answer.json();
    return answer.ok ? { job: fields, reason: null } : { job: null, reason: fields.detail ?? `status ${answer.status}` };
  } catch {
    return { job: null, reason: null };
  }
}
