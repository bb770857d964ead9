// Who the browser is to the service: a key is traded for a cookie that no script can read.
import { askJSON } from "./api.js";
import { byId } from "./dom.js";
import { toastError } from "./toast.js";

// What a header can carry; no key has anything else, and the browser would not even send it.
const SENDABLE = /^[\x20-\xff]*$/;

let scopes = [];
let waiting = [];

/** Scopes of the one who is signed in: [] or some of "jobs" and "admin". */
export function currentScopes() {
  return scopes;
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
    adopt({ scopes: [] }); // whoever was signed in is no longer
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
  askJSON("/session").then(adopt, () => adopt({ scopes: [] }));
}

async function submitted(event) {
  event.preventDefault();
  const key = byId("sign-in-key").value;
  if (!SENDABLE.test(key)) return say("No key has such letters in it.");
  try {
    adopt(await askJSON("/session", { method: "POST", headers: { "x-api-key": key } }));
    byId("sign-in").close();
  } catch (error) {
    say(error.message);
  }
}

async function signOut() {
  try {
    adopt(await askJSON("/session", { method: "DELETE" }));
  } catch (error) {
    toastError(error);
  }
}

function adopt(session) {
  scopes = session.scopes;
  const button = byId("session-button");
  button.textContent = scopes.length ? "Sign out" : "Sign in";
  button.title = scopes.length ? `Signed in for ${scopes.join(" and ")}` : "";
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
