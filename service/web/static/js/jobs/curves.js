// State of a job page, folded from the job's events. Repeated events change nothing: points are keyed by epoch, events
// by id.

/** @typedef {{epoch: number, trainLoss: number|null, trainAccuracy: number|null, validationLoss: number|null,
 *   validationAccuracy: number|null, seconds: number, token: number}} EpochPoint */

/** @typedef {{epoch: number, loss: number|null, accuracy: number|null}} Tip progress of the current epoch */

export class JobStory {
  constructor() {
    this.last = "0";
    this.stage = null;
    /** @type {{at: string, text: string}[]} */
    this.notes = [];
    this.progress = null;
    this.promotion = null;
    this.published = null;
    this.ended = null;
    /** @type {Map<number, EpochPoint>} */
    this.byEpoch = new Map();
    /** @type {Tip|null} */
    this.tip = null;
  }

  /** The complete epochs in order. */
  get epochs() {
    return [...this.byEpoch.values()].sort((one, other) => one.epoch - other.epoch);
  }

  /**
   * Apply an event.
   *
   * @param {string} id of the event
   * @param {object} event its data
   * @returns {boolean} false if it was already applied
   */
  take(id, event) {
    if (!isAfter(id, this.last)) return false;
    this.last = id;
    const take = TAKERS[event.event];
    if (take) take(this, event);
    return true;
  }
}

const TAKERS = {
  claimed(story) {
    Object.assign(story, { stage: null, tip: null, progress: null, ended: null });
  },
  retried(story) {
    Object.assign(story, { stage: null, tip: null, progress: null, ended: null, promotion: null });
  },
  stage(story, { name }) {
    story.stage = name;
    story.tip = null;
  },
  note(story, { at, text }) {
    story.notes.push({ at, text });
  },
  interrupted(story, { at, reason, resumes }) {
    story.tip = null;
    story.notes.push({ at, text: `interrupted: ${reason}${resumes ? "; it will be resumed" : ""}` });
  },
  progress(story, event) {
    story.progress = event;
    const epoch = event.steps ? (event.step * event.epochs) / event.steps : event.epoch; // exact at the end of an epoch
    // A complete epoch has a better point than the running mean of its last step.
    story.tip = story.byEpoch.has(Math.ceil(epoch)) ? null : { epoch, loss: event.loss, accuracy: event.accuracy };
  },
  epoch(story, event) {
    // A restarted run draws a new curve: remove later points of an earlier attempt.
    for (const [epoch, point] of story.byEpoch) {
      if (epoch >= event.epoch && point.token !== event.token) story.byEpoch.delete(epoch);
    }
    story.byEpoch.set(event.epoch, {
      epoch: event.epoch,
      trainLoss: event.train_loss,
      trainAccuracy: event.train_accuracy,
      validationLoss: event.validation_loss,
      validationAccuracy: event.validation_accuracy,
      seconds: event.seconds,
      token: event.token,
    });
    story.tip = null;
  },
  published(story, { reference }) {
    story.published = reference;
  },
  promoted(story, { report }) {
    story.promotion = { promoted: true, report };
  },
  not_promoted(story, { report }) {
    story.promotion = { promoted: false, report };
  },
  finished(story, { state }) {
    story.ended = state;
    story.tip = null;
  },
};

/** Whether an event's id comes after another one's. */
export function isAfter(id, other) {
  const [milliseconds, number] = orderOf(id);
  const [otherMilliseconds, otherNumber] = orderOf(other);
  return milliseconds === otherMilliseconds ? number > otherNumber : milliseconds > otherMilliseconds;
}

function orderOf(id) {
  const [milliseconds, number = "0"] = id.split("-");
  return [Number(milliseconds), Number(number)];
}
