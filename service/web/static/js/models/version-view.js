// Version page: model card, evaluations, files and provenance.
import { askDocument, askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { heading, loading } from "../parts/heading.js";
import { older } from "../parts/older.js";
import { bytes, count } from "../parts/size.js";
import { ago, duration, exact } from "../parts/when.js";
import { errorNotice, toast } from "../toast.js";
import { promote } from "./dialogs.js";
import { comparisonAddress, estimated, testAccuracy, versionAddress } from "./words.js";

/** Fill `place` with the page of a version. */
export async function versionView(place, model, version) {
  loading("Loading the version");
  const path = `/models/${encodeURIComponent(model)}/versions/${encodeURIComponent(version)}`;
  try {
    const [detail, family, card, measured] = await Promise.all([
      askJSON(path), askJSON(`/models/${encodeURIComponent(model)}`), cardOf(path), measuredOf(path),
    ]);
    fill(place, head(detail, family, () => versionView(place, model, version)),
      h("div.version-columns", h("section.card", h("h2", "Model card"), card), h("div.stack",
        h("section.card.stack-tight", h("h2", "Evaluations"), measured),
        filesOf(path, detail.manifest), madeOf(detail.manifest))));
  } catch (error) {
    heading("", `${model}@${version}`);
    fill(place, errorNotice(error));
  }
}

function head({ model, version, champion, layer, manifest }, family, refresh) {
  const reference = `${model}@${version}`;
  heading(`Trained with recipe ${manifest.recipe} on ${manifest.data.name}${layer === "shipped" ? ", shipped with the project" : ""}.`, reference);
  const summary = family.versions.find((one) => one.version === version);
  const forward = async () => {
    if (await promote(model, version)) {
      toast(`${reference} is the champion.`, { kind: "good" });
      refresh();
    }
  };
  return h("div.stack.version-head",
    summary?.refused && h("div.notice.bad", { role: "alert" }, h("p", `This version is not served: ${summary.refused}.`)),
    h("div.row.spread",
      h("p.row", champion ? h("span.badge.good", "Champion") : h("span.badge", "Not champion"), summary?.test_accuracy && h("span", `Test accuracy: ${testAccuracy(summary)}`)),
      h("div.actions",
        !champion && h("button.button.primary", { type: "button", onclick: forward }, "Promote…"),
        !champion && family.champion !== null && h("a.button", { href: comparisonAddress(reference, `${model}@${family.champion}`) }, "Compare with the champion"),
        h("a.button", { href: `/ui/jobs?new=evaluate&version=${encodeURIComponent(reference)}` }, "Evaluate again"))));
}

async function cardOf(path) {
  try {
    const { body } = await askDocument(`/ui${path}/card`);
    const card = h("div.prose.card-text", [...body.childNodes]);
    // Wait for the images, so that the page does not shift when their sizes become known.
    await Promise.allSettled([...card.querySelectorAll("img")].map((image) => image.decode()));
    return card;
  } catch (error) {
    return error.status === 404 ? h("p.muted", "This version has no model card.") : errorNotice(error);
  }
}

async function measuredOf(path) {
  try {
    const { evaluations, next_cursor: next } = await askJSON(`${path}/evaluations`);
    if (!evaluations.length) return h("p.muted", "There are no evaluations.");
    const list = h("ul.evaluations", evaluations.map(measurement));
    return [list, older("Earlier evaluations", next, async (cursor) => {
      const page = await askJSON(`${path}/evaluations`, { query: { cursor } });
      list.append(...page.evaluations.map(measurement));
      return page.next_cursor;
    })];
  } catch (error) {
    return errorNotice(error);
  }
}

function measurement({ job, created_at: at, evaluation: { data, scores }, differences }) {
  return h("li.stack-tight",
    h("p.row.small", h("strong", job === null ? "When it was published" : h("a", { href: `/ui/jobs?job=${encodeURIComponent(job)}` }, "By a job")), h("span.muted", ago(at)),
      differences !== null && h("span.badge", { class: differences.length ? "warning" : "good" }, differences.length ? `${differences.length} figures differ` : "Reproduced")),
    h("p.small.muted", `${data.name}, ${data.split}: ${count(data.images)} images`),
    h("dl.facts", Object.entries(scores).map(([precision, { accuracy, macro, log_loss: loss, reliability }]) => [
      h("dt", precision), h("dd", estimated(accuracy, 2)),
      h("dt.indent", "Macro F1"), h("dd", estimated(macro.f1, 2)),
      h("dt.indent", "Log loss"), h("dd", loss.toFixed(4)),
      h("dt.indent", "Calibration error"), h("dd", reliability.ece.toFixed(4)),
    ])));
}

/** The files with their hashes, and a button that verifies them. */
function filesOf(path, { files }) {
  const status = h("p.small", { role: "status" });
  const list = h("ul.files", Object.entries(files).map(([name, record]) => file(path, { name, ...record })));
  const button = h("button.button", { type: "button" }, "Verify");
  button.addEventListener("click", async () => {
    button.disabled = true;
    fill(status, h("span.loading", "Verifying every file"));
    try {
      const check = await askJSON(`${path}/check`);
      fill(list, check.files.map((each) => file(path, each)));
      fill(status, check.intact ? h("span.badge.good", "Intact") : h("span.badge.bad", "Damaged"), check.intact ? " Every file matches its published hash." : " Files differ from the published ones; the version is not served after the next load.");
    } catch (error) {
      fill(status, errorNotice(error));
    } finally {
      button.disabled = false;
    }
  });
  return h("section.card.stack-tight", h("div.row.spread", h("h2", "Files"), button), status, list,
    "weights.safetensors" in files && h("p.small.muted", "model.onnx and gradient.onnx read weights.safetensors: download them into the same folder."));
}

/** Time for the teacher's soft labels, if known. */
function taught({ teacher_seconds: seconds }) {
  return seconds ? ` and ${duration(seconds)} for the teacher's soft labels` : "";
}

/** A file with its size and hash; its name downloads it, except for figures, which open. */
function file(path, { name, bytes: size, sha256, problem }) {
  const link = name.includes("/") ? h("a", { href: `${path}/${name}` }, name) : h("a", { href: `${path}/files/${encodeURIComponent(name)}`, download: true }, name);
  return h("li", { class: problem ? "damaged" : null }, h("span.mono.break", link), h("span.small.muted", bytes(size)),
    h("span.small.mono.muted.clip", { title: sha256 }, `sha256 ${sha256.slice(0, 16)}…`), problem && h("span.small.file-problem", problem));
}

function madeOf(manifest) {
  const { environment, licence, cost, data } = manifest;
  const facts = [
    ["Published", exact(manifest.created_at)],
    ["Recipe", manifest.recipe],
    manifest.derived_from && ["Derived from", derived(manifest.derived_from)],
    ["Seed", manifest.seed],
    ["Parameters", `${count(cost.parameters)}, ${(cost.macs / 1e6).toFixed(1)} M multiply-adds per image`],
    ["Training", `${cost.epochs} epochs, ${duration(cost.training_seconds)}${taught(cost)}, ${environment.dtype} on ${environment.device}`],
    ["Data", `${data.name}: ${Object.entries(data.counts).map(([part, number]) => `${count(number)} ${part}`).join(", ")}`],
    ["Classes", manifest.class_names.join(", ")],
    ["Input", `${manifest.input.width} × ${manifest.input.height} pixels`],
    ["License of the weights", licence.weights],
    ["License of the data", licence.data],
    ["Origin", licence.provenance],
    ["Software", `Python ${environment.python}, torch ${environment.torch}, onnxruntime ${environment.onnxruntime}`],
  ];
  return h("section.card.stack-tight", h("h2", "Provenance"), h("dl.facts", facts.filter(Boolean).map(([name, value]) => [h("dt", name), h("dd", value)])));
}

function derived(reference) {
  const [model, version] = reference.split("@");
  return h("a", { href: versionAddress(model, version) }, reference);
}
