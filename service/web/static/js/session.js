// Who the browser is to the service: a key is traded for a cookie that no script can read.
import { askJSON } from "./api.js";
import { byId } from "./dom.js";

const listeners = new Set();
let scopes = [];
let waiting = [];

/** Scopes of the one who is signed in: [] or some of "jobs" and "admin". */
export function currentScopes() {
  return scopes;
}

/** Call `listener(scopes)` whenever someone signs in or out, and once now. */
export function onSession(listener) {
  listeners.add(listener);
  listener(scopes);
}

/**
 * Do what needs a key: `const job = await withKey(() => askJSON("/train", {method: "POST", json}))`.
 *
 * Where the service wants a key, the sign-in field opens, and it is tried once more. Null where that is given up.
 */
export async function withKey(action) {
  try {
    return await action();
  } catch (error) {
    if (error.status !== 401) throw error;
    return (await askForKey()) ? action() : null;
  }
}

/** Open the sign-in field; whether someone has signed in. */
export function askForKey() {
  byId("sign-in").showModal();
  return new Promise((resolve) => waiting.push(resolve));
}

/** Wire the sign-in field and the button in the masthead, and ask who is signed in; for the shell. */
export function startSession() {
  const dialog = byId("sign-in");
  const button = byId("session-button");
  button.addEventListener("click", () => (scopes.length ? signOut() : askForKey()));
  byId("sign-in-cancel").addEventListener("click", () => dialog.close());
  byId("sign-in-form").addEventListener("submit", submitted);
  dialog.addEventListener("close", () => {
    byId("sign-in-form").reset();
    say(null);
    settle(scopes.length > 0);
  });
  onSession(() => {
    button.textContent = scopes.length ? "Sign out" : "Sign in";
    button.title = scopes.length ? `Signed in for ${scopes.join(" and ")}` : "";
  });
  askJSON("/session").then(adopt, () => adopt({ scopes: [] }));
}

async function submitted(event) {
  event.preventDefault();
  try {
    adopt(await askJSON("/session", { method: "POST", headers: { "x-api-key": byId("sign-in-key").value } }));
    byId("sign-in").close();
  } catch (error) {
    say(error.message);
  }
}

async function signOut() {
  adopt(await askJSON("/session", { method: "DELETE" }));
}

function adopt(session) {
  scopes = session.scopes;
  for (const listener of listeners) listener(scopes);
}

function say(text) {
  const place = byId("sign-in-error");
  place.hidden = text === null;
  place.textContent = text ?? "";
  byId("sign-in-key").setAttribute("aria-invalid", String(text !== null));
}

function settle(signedIn) {
  for (const resolve of waiting) resolve(signedIn);
  waiting = [];
}
