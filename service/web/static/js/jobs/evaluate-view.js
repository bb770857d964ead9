// Form that starts an evaluation of published versions.
import { askJSON } from "../api.js";
import { fill, h } from "../dom.js";
import { counted } from "../parts/size.js";
import { errorNotice } from "../toast.js";
import { MissingData, builtinChoice } from "./builtin-data.js";
import { startForm } from "./start.js";

let made = 0;

/** Fill `place` with the form; `query` may preselect a version. */
export async function evaluateView(place, query) {
  fill(place, h("p.loading", "Loading the versions"));
  try {
    const [{ models }, { datasets }, builtin] = await Promise.all([askJSON("/models"), askJSON("/datasets"), askJSON("/datasets/cifar10")]);
    draw(place, models, datasets, builtin, query.get("version"));
  } catch (error) {
    fill(place, errorNotice(error));
  }
}

function draw(place, models, datasets, builtin, begin) {
  const boxes = models.flatMap(({ model, champion, versions }) => versions.toReversed().map((version) => ({
    model, text: `${model}@${version}`, isChampion: version === champion,
    control: h("input", { type: "checkbox", name: "versions", value: `${model}@${version}`, checked: begin === `${model}@${version}` }),
  })));
  const versions = new Choice("Versions", h("div.version-boxes", models.map(({ model }) => h("fieldset", h("legend.label", model),
    boxes.filter((box) => box.model === model).map(({ control, text, isChampion }) => h("label.check.small", control, text, isChampion && h("span.badge", "champion")))))),
    "The selected versions; all champions if none is selected.", boxes[0]?.control);
  const select = h("select", { name: "data" }, h("option", { value: builtin.data }, builtinChoice(builtin).text),
    datasets.map(({ data, images }) => h("option", { value: data }, `${data} · ${counted("image", images)}`)));
  const data = new Choice("Data", select, "Its test split is used. The version must have the same classes.", select);
  const missing = new MissingData(builtin, () => select.value);
  select.addEventListener("change", () => missing.show());
  missing.show();
  const fields = () => new Map([["versions", versions], ["data", data]]);
  const job = () => ({ versions: boxes.filter((box) => box.control.checked).map((box) => box.text), data: select.value });
  fill(place, startForm("/evaluate", job, fields, "Start the evaluation",
    h("section.card", h("div.evaluate-fields", versions.element, data.element), missing.element)));
}

/** A control with label, help and error, like `FormField`. */
class Choice {
  constructor(label, content, help, control) {
    const id = `choice-${++made}`;
    this.control = control ?? content;
    this.error = h("p.field-error", { id: `${id}-error`, hidden: true });
    const hint = h("p.hint", { id: `${id}-hint` }, help);
    const named = content.tagName === "SELECT";
    if (named) Object.assign(content, { id }).setAttribute("aria-describedby", `${hint.id} ${this.error.id}`);
    this.element = named
      ? h("div.field", h("label", { for: id }, label), content, hint, this.error)
      : h("div.field", { role: "group", "aria-labelledby": `${id}-label`, "aria-describedby": `${hint.id} ${this.error.id}` }, h("p.label", { id: `${id}-label` }, label), content, hint, this.error);
    this.element.addEventListener("input", () => this.complain(null));
  }

  complain(message) {
    this.error.textContent = message ?? "";
    this.error.hidden = message === null;
  }
}
