// Playground page: classifies an image with each family and explains the predictions.
import { byId, fill, h } from "./dom.js";
import { errorNotice, toastError } from "./toast.js";
import { AnswerCards } from "./playground/answers.js";
import { startCamera } from "./playground/camera.js";
import { initialFamilies, startChooser } from "./playground/chooser.js";
import { CropBox } from "./playground/crop.js";
import { Explanations } from "./playground/explanations.js";
import { choose, findFamilies, known } from "./playground/families.js";
import { startIntake } from "./playground/intake.js";
import { Picture } from "./playground/picture.js";
import { ask, asked } from "./playground/question.js";
import { startSamples } from "./playground/samples.js";
import { readSettings, writeSettings } from "./playground/settings.js";
import { startSharing } from "./playground/share.js";

const FLAT = matchMedia("(max-width: 60rem)");
const settings = readSettings();
const state = { settings, families: [], picture: null, crop: null, comparison: null };
const cropBox = new CropBox(() => answer());

let current = null;
let chosen = 0;

/** Clear everything about an older question, and mark the page as busy. */
function begin() {
  current?.abort();
  state.comparison = null;
  cards.clear();
  explanations.clear();
  fill(byId("verdict"), h("span.loading", "Classifying"));
  wait();
}

/** Mark the page as busy; what it shows stays, dimmed, until the answer arrives. */
function wait() {
  cards.wait();
  explanations.wait();
}

/** Classify the current crop with all families; responses to older requests are dropped. */
async function answer() {
  current?.abort();
  if (state.picture === null) return;
  const question = (current = new AbortController());
  state.crop = cropBox.value;
  sharing.refresh();
  wait();
  try {
    const comparison = await ask(asked(state), question.signal);
    if (question.signal.aborted) return; // it arrived just before another image was chosen
    state.comparison = comparison;
    cards.show(comparison, state.picture);
    performance.mark("answered");
    await explanations.refresh(question.signal);
  } catch (error) {
    if (question.signal.aborted) return;
    state.comparison = null;
    cards.clear();
    explanations.clear();
    fill(byId("verdict"), errorNotice(error));
  }
}

/** Use another version of a family, null for its champion. */
async function chooseVersion(family, version) {
  if (state.picture !== null) begin();
  try {
    await choose(family, version);
  } catch (error) {
    toastError(error);
  }
  if (family.version !== version) return; // another one was chosen meanwhile
  settings.versions[family.name] = version;
  explanations.build();
  changed();
  await answer();
}

/** Ask these families from now on. */
async function chooseFamilies(families) {
  if (state.picture !== null) begin();
  state.families = families;
  settings.families = families.map(({ name }) => name);
  cards.build();
  explanations.build();
  learnMethods();
  changed();
  await answer();
}

/** Fetch the explanation methods of the chosen families, for the commands to copy. */
function learnMethods() {
  Promise.all(state.families.map(known)).then(() => sharing.refresh(), toastError);
}

/** Begin choosing an image; the returned function tells whether no other was chosen since. */
function choosing() {
  const mine = ++chosen;
  return () => mine === chosen;
}

/** Show another image: a file, or a test image with its index and label. */
async function show(file, sample = null) {
  choosing();
  begin();
  state.picture?.release();
  state.picture = new Picture(file, sample);
  settings.sample = sample === null ? null : sample.index;
  performance.mark("given");
  await state.picture.show(cropBox, state.families);
  if (FLAT.matches) byId("intake").scrollIntoView(); // the answer is below the image
  changed();
  await answer();
}

/** The settings have changed, other than by a new image. */
function changed() {
  writeSettings(settings);
  sharing.refresh();
}

const cards = new AnswerCards(state, chooseVersion);
const explanations = new Explanations(state, changed);
const sharing = startSharing(state);

try {
  const all = await findFamilies(settings);
  state.families = initialFamilies(all, settings.families);
  if (all.length > 2) settings.families = state.families.map(({ name }) => name); // what others see depends on their last choice
  startChooser(all, state.families, chooseFamilies);
  cards.build();
  explanations.start();
  explanations.build();
  startIntake(show);
  startCamera(show);
  sharing.refresh();
  performance.mark("usable");
  document.body.dataset.ready = "true";
  learnMethods();
  await startSamples(settings.sample, choosing, show);
} catch (error) {
  fill(byId("verdict"), errorNotice(error));
}
