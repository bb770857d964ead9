// Session: exchanges an API key for an HttpOnly cookie.
import { askJSON } from "./api.js";
import { byId } from "./dom.js";
import { toastError } from "./toast.js";

// Visible ASCII, the only characters of a valid key.
const SENDABLE = /^[\x20-\xff]*$/;

let scopes = [];
let waiting = [];

/** Scopes of the session: [] or some of "jobs" and "admin". */
export function currentScopes() {
  return scopes;
}

/**
 * Run an action that needs a key: `const job = await withKey(() => askJSON("/train", {method: "POST", json}))`.
 *
 * On 401 the sign-in dialog opens and the action is retried once. Null if the dialog is cancelled.
 */
export async function withKey(action) {
  try {
    return await action();
  } catch (error) {
    if (error.status !== 401) throw error;
    adopt({ scopes: [] }); // the session has ended
    return (await askForKey()) ? action() : null;
  }
}

/** Open the sign-in dialog; resolves to true after a sign-in. */
export function askForKey() {
  byId("sign-in").showModal();
  return new Promise((resolve) => waiting.push(resolve));
}

/** Wire the sign-in dialog and button, and fetch the current session. */
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
  if (!SENDABLE.test(key)) return say("A key contains only visible ASCII characters.");
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
