// Submission of the forms that start a job: idempotent request and error display.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { withKey } from "../session.js";
import { errorNotice } from "../toast.js";
import { complain } from "./settings.js";

/**
 * A form that submits a job and then opens the job's page.
 *
 * @param {string} path of the endpoint
 * @param {() => object} parameters of the job
 * @param {() => Map<string, import("./fields.js").FormField>} fields by the service's names
 * @param {string} label of the button
 * @param {Node[]} content
 */
export function startForm(path, parameters, fields, label, ...content) {
  const problem = h("div");
  const button = h("button.button.primary", { type: "submit" }, label);
  const form = h("form.stack", { novalidate: true }, content, problem, h("div.actions", button, h("a.button", { href: "?" }, "Cancel")));
  let key = idempotencyKey();
  // A changed request gets a new key; resending the same request after a lost response starts no second job.
  form.addEventListener("input", () => (key = idempotencyKey()));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    fill(problem);
    button.disabled = true;
    try {
      const json = parameters();
      const job = await withKey(() => askJSON(path, { method: "POST", json, headers: { "idempotency-key": key } }));
      if (job !== null) location.assign(`?job=${encodeURIComponent(job.id)}`);
    } catch (error) {
      const left = Array.isArray(error.fields?.errors) ? complain(error.fields.errors, fields()) : null;
      if (left === null) fill(problem, errorNotice(error));
      else if (left.length) fill(problem, h("div.notice.bad", { role: "alert" }, left.map((text) => h("p", text))));
    } finally {
      button.disabled = false;
    }
  });
  return form;
}

function idempotencyKey() {
  // crypto.randomUUID() is unavailable on pages loaded over plain HTTP from another machine.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
