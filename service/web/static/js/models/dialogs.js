// Dialogs that promote a version after showing the gate's report, roll back, archive a model, or delete versions.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { gateReport } from "../parts/gate-report.js";
import { ReasonDialog, deleteDialog } from "../parts/reason-dialog.js";
import { withKey } from "../session.js";
import { errorNotice } from "../toast.js";

/** Promote a version after showing the gate's report. Resolves to the move, or false if the dialog was closed. */
export function promote(model, version) {
  const report = h("div", { "aria-live": "polite" }, h("p.loading", "The gate compares it with the champion; this takes a few seconds"));
  const force = h("input#promote-force", { type: "checkbox" });
  const forceBox = h("label.check", { hidden: true }, force, "Promote it anyway. The audit trail records this.");
  const dialog = new ReasonDialog(`Promote ${model}@${version}`, "Promote", [report, forceBox], (reason) => {
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
  const dialog = new ReasonDialog(`Roll ${model} back`, "Roll back",
    [h("p", `The champion before ${model}@${champion} is served again immediately, without the gate. Nothing is deleted.`)],
    (reason) => withKey(() => askJSON(`/models/${encodeURIComponent(model)}/rollback`, { method: "POST", json: { reason } })));
  dialog.needReason(true);
  return dialog.open();
}

/** Stop serving a model. Resolves to the move, or false if the dialog was closed. */
export function archive(model, champion) {
  const dialog = new ReasonDialog(`Archive ${model}`, "Archive",
    [h("p", `${model}@${champion} is no longer served, and ${model} has no champion until a version is promoted. Nothing is deleted.`)],
    (reason) => withKey(() => askJSON(`/models/${encodeURIComponent(model)}/archive`, { method: "POST", json: { reason } })));
  dialog.needReason(true);
  return dialog.open();
}

/** Delete a version permanently. Resolves to the response, or false if the dialog was closed. */
export function deleteVersion(model, version) {
  return deleteDialog(`${model}@${version}`, "Its files are deleted permanently.", `/models/${encodeURIComponent(model)}/versions/${version}`);
}

/** Delete an archived model with all of its versions. Resolves to the response, or false if the dialog was closed. */
export function deleteModel(model, versions) {
  return deleteDialog(model, `The files of ${versions.map(({ version }) => `${model}@${version}`).join(", ")} are deleted permanently.`, `/models/${encodeURIComponent(model)}`);
}
