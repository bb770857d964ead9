// The service from a page: addresses, JSON, and errors that say what the service said.

/** What the service answered with, where that is an error; `message` is its sentence, `fields` all that it said. */
export class ServiceError extends Error {
  constructor(status, fields) {
    super(fields.detail || fields.title || `The service answered with ${status}.`);
    this.status = status;
    this.title = fields.title ?? "Error";
    this.kind = fields.type ?? "";
    this.requestId = fields.request_id ?? null;
    this.fields = fields;
  }
}

/** There was no answer at all. */
export class UnreachableError extends Error {
  constructor() {
    super("The service does not answer. Is it still running, and are you connected to it?");
  }
}

/** "/jobs", {kind: "train", tail: null} -> "/jobs?kind=train"; what is null, undefined or "" is left out. */
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/**
 * Ask, and return the Response of a success.
 *
 * options: method, query, json (sent as the body), body, headers, signal. The session's cookie goes along by itself.
 */
export async function ask(path, { method = "GET", query, json, body, headers = {}, signal } = {}) {
  const sent = { accept: "application/json", ...headers };
  if (json !== undefined) sent["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(address(path, query), {
      method, signal, headers: sent, body: json === undefined ? body : JSON.stringify(json),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new UnreachableError();
  }
  if (!response.ok) throw new ServiceError(response.status, await problem(response));
  return response;
}

/** As `ask`; the JSON of the answer, null where it is empty. */
export async function askJSON(path, options) {
  const response = await ask(path, options);
  return response.status === 204 ? null : response.json();
}

async function problem(response) {
  const type = response.headers.get("content-type") ?? "";
  const fields = type.includes("json") ? await response.json() : { detail: (await response.text()).slice(0, 500) };
  return { request_id: response.headers.get("x-request-id"), ...fields };
}
