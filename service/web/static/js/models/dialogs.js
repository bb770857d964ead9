// Dialogs that promote a version, after showing the gate's report, or roll back to an earlier champion.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { gateReport } from "../parts/gate-report.js";
import { withKey } from "../session.js";
import { errorNotice } from "../toast.js";

const MAX_REASON_LENGTH = 1000;

/** Promote a version after showing the gate's report. Resolves to the move, or false if the dialog was closed. */
export function promote(model, version) {
  const report = h("div", { "aria-live": "polite" }, h("p.loading", "The gate compares it with the champion; this takes a few seconds"));
  const force = h("input#promote-force", { type: "checkbox" });
  const forceBox = h("label.check", { hidden: true }, force, "Promote it anyway. The audit trail records this.");
  const dialog = new MoveDialog(`Promote ${model}@${version}`, "Promote", [report, forceBox], (reason) => {
    const json = { reason: reason || null, force: force.checked };
    return withKey(() => askJSON(`/models/${encodeURIComponent(model)}/versions/${version}/promote`, { method: "POST", json }));
  });
  const agree = (passed) => {
    dialog.allow(passed || force.checked);
    dialog.needReason(!passed && force.checked);
  };
  dialog.allow(false);
  const show = (found) => {
    fill(report, gateReport(found));
    forceBox.hidden = found.passed;
    force.onchange = () => agree(found.passed);
    agree(found.passed);
  };
  // The champion may have moved since the report was read; the gate then has a new report.
  dialog.onRefused = (error) => error.fields?.gate && show(error.fields.gate);
  askJSON(`/models/${encodeURIComponent(model)}/versions/${version}/gate`).then(show, (error) => fill(report, errorNotice(error)));
  return dialog.open();
}

/** Roll back to the previous champion. Resolves to the move, or false if the dialog was closed. */
export function rollBack(model, champion) {
  const dialog = new MoveDialog(`Roll ${model} back`, "Roll back",
    [h("p", `The champion before ${model}@${champion} is served again immediately, without the gate. Nothing is deleted.`)],
    (reason) => withKey(() => askJSON(`/models/${encodeURIComponent(model)}/rollback`, { method: "POST", json: { reason } })));
  dialog.needReason(true);
  return dialog.open();
}

class MoveDialog {
  /** `act` receives the reason and returns the response, or null if the user cancelled. */
  constructor(title, label, content, act) {
    this.act = act;
    this.onRefused = () => {};
    this.done = false;
    this.acting = null;
    this.reasonNeeded = false;
    this.reason = h("textarea#move-reason", { rows: 2, maxlength: MAX_REASON_LENGTH, "aria-describedby": "move-reason-hint move-reason-error" });
    this.hint = h("p.hint#move-reason-hint");
    this.error = h("p.field-error#move-reason-error", { hidden: true });
    this.problem = h("div");
    this.confirm = h("button.button.primary", { type: "submit" }, label);
    const cancel = h("button.button", { type: "button", onclick: () => this.dialog.close() }, "Cancel");
    this.dialog = h("dialog.dialog.wide", { "aria-labelledby": "move-title" }, h("form", { novalidate: true, onsubmit: (event) => this.#submit(event) },
      h("h2#move-title", { tabindex: -1, autofocus: true }, title), content,
      h("div.field", h("label", { for: "move-reason" }, "Reason"), this.reason, this.hint, this.error),
      this.problem, h("div.actions", this.confirm, cancel)));
    this.reason.addEventListener("input", () => this.#complain(null));
    this.needReason(false);
  }

  allow(allowed) {
    this.confirm.disabled = !allowed;
  }

  needReason(needed) {
    this.reasonNeeded = needed;
    this.hint.textContent = needed ? "Required for the audit trail." : "Optional, for the audit trail.";
    this.reason.required = needed;
  }

  /** Open the dialog; resolves when it is closed. */
  open() {
    document.body.append(this.dialog);
    this.dialog.showModal();
    return new Promise((resolve) => this.dialog.addEventListener("close", async () => {
      this.dialog.remove();
      await this.acting; // a request that is running when the dialog closes is still completed
      resolve(this.done);
    }));
  }

  #submit(event) {
    event.preventDefault();
    if (this.acting !== null) return; // a second click would roll back twice
    const reason = this.reason.value.trim();
    if (this.reasonNeeded && !reason) return this.#complain("Enter a reason for the audit trail.");
    this.acting = this.#move(reason);
  }

  async #move(reason) {
    fill(this.problem);
    this.confirm.setAttribute("aria-busy", "true");
    try {
      const answer = await this.act(reason);
      if (answer === null) return;
      this.done = answer;
      this.dialog.close();
    } catch (error) {
      fill(this.problem, errorNotice(error));
      this.onRefused(error);
    } finally {
      this.confirm.removeAttribute("aria-busy");
      this.acting = null;
    }
  }

  #complain(text) {
    this.error.textContent = text ?? "";
    this.error.hidden = text === null;
    this.reason.setAttribute("aria-invalid", String(text !== null));
    if (text !== null) this.reason.focus();
  }
}
