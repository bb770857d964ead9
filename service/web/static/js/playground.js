// Playground page: classifies an image with each family and explains the predictions.
import { byId, fill } from "./dom.js";
import { errorNotice, toastError } from "./toast.js";
import { AnswerCards } from "./playground/answers.js";
import { startCamera } from "./playground/camera.js";
import { CropBox } from "./playground/crop.js";
import { Explanations } from "./playground/explanations.js";
import { findFamilies, known } from "./playground/families.js";
import { startIntake } from "./playground/intake.js";
import { Picture } from "./playground/picture.js";
import { ask, asked } from "./playground/question.js";
import { startSamples } from "./playground/samples.js";
import { readSettings, writeSettings } from "./playground/settings.js";
import { startSharing } from "./playground/share.js";

const settings = readSettings();
const state = { settings, families: [], picture: null, crop: null, comparison: null };
const cropBox = new CropBox(() => answer());

let current = null;
let chosen = 0;

/** Classify the current crop with all families; responses to older requests are dropped. */
async function answer() {
  current?.abort();
  if (state.picture === null) return;
  const question = (current = new AbortController());
  state.crop = cropBox.value;
  sharing.refresh();
  try {
    cards.wait();
    const comparison = await ask(asked(state), question.signal);
    state.comparison = comparison;
    cards.show(comparison, state.picture);
    performance.mark("answered");
    await explanations.refresh(question.signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    state.comparison = null;
    cards.clear();
    explanations.clear();
    fill(byId("verdict"), errorNotice(error));
  }
}

/** Begin choosing an image; the returned function tells whether no other was chosen since. */
function choosing() {
  const mine = ++chosen;
  return () => mine === chosen;
}

/** Show another image: a file, or a test image with its index and label. */
async function show(file, sample = null) {
  choosing();
  current?.abort();
  state.picture?.release();
  state.picture = new Picture(file, sample);
  settings.sample = sample === null ? null : sample.index;
  performance.mark("given");
  await state.picture.show(cropBox, state.families);
  changed();
  await answer();
}

/** The settings have changed, other than by a new image. */
function changed() {
  writeSettings(settings);
  sharing.refresh();
}

const cards = new AnswerCards(state, () => { changed(); answer(); });
const explanations = new Explanations(state, changed);
const sharing = startSharing(state);

try {
  state.families = await findFamilies(settings);
  cards.build();
  explanations.build();
  startIntake(show);
  startCamera(show);
  sharing.refresh();
  performance.mark("usable");
  document.body.dataset.ready = "true";
  Promise.all(state.families.map(known)).then(() => sharing.refresh(), toastError);
  await startSamples(settings.sample, choosing, show);
} catch (error) {
  fill(byId("verdict"), errorNotice(error));
}
