// HTTP client of the pages: addresses, JSON and errors.
import { below } from "./root.js";

/** An error response; `message` is its detail, `fields` its whole body. */
export class ServiceError extends Error {
  constructor(status, fields) {
    super(fields.detail || fields.title || `The service responded with ${status}.`);
    this.status = status;
    this.title = fields.title ?? "Error";
    this.kind = fields.type ?? "";
    this.requestId = fields.request_id ?? null;
    this.fields = fields;
  }
}

/** The service did not respond. */
export class UnreachableError extends Error {
  constructor() {
    super("The service does not respond. Check that it is running and that you are connected.");
  }
}

/** "/jobs", {kind: "train", tail: null} -> "/jobs?kind=train", below the service; null, undefined and "" are omitted. */
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `${below(path)}?${new URLSearchParams(given)}` : below(path);
}

/**
 * Send a request, and return the Response if it succeeded.
 *
 * options: method, query, json (sent as the body), body, headers, signal. The browser adds the session cookie.
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

/** As `ask`, but returns the JSON of the response, null if it is empty. */
export async function askJSON(path, options) {
  const response = await ask(path, options);
  return response.status === 204 ? null : response.json();
}

/** Return a page of the service as a Document. XMLHttpRequest parses HTML under the policy for trusted types. */
export function askDocument(path) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", below(path));
    request.responseType = "document";
    request.onload = () => (request.status === 200 ? resolve(request.response) : reject(new ServiceError(request.status, {})));
    request.onerror = () => reject(new UnreachableError());
    request.send();
  });
}

async function problem(response) {
  const type = response.headers.get("content-type") ?? "";
  const fields = type.includes("json") ? await response.json() : { detail: (await response.text()).slice(0, 500) };
  return { request_id: response.headers.get("x-request-id"), ...fields };
}
