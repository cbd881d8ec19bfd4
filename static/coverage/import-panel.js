// Staff's part: start an import, watch jobs, stop them, try them again.

import { changesOf, describeJob, isActive, titleOf, verbOf } from "./jobs.js";
import { ask } from "./session.js";

/** @typedef {import("./jobs.js").Job} Job */

const ACTIVE_MS = 1_000; // a worker writes its figures so often
const IDLE_MS = 15_000;
export const ARCHIVE = "dukascopy"; // what imports bring, whatever is looked at
const LABELS = new Map([["stop", "Stop"], ["retry", "Try again"]]);

const byId = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));

export class ImportPanel {
  /** @param {(changes: import("./jobs.js").Change[]) => void} onProgress */
  constructor(onProgress) {
    this._onProgress = onProgress;
    /** @type {HTMLFormElement | null} */
    this._form = byId("start");
    /** @type {HTMLElement | null} */
    this._list = byId("jobs");
    this._symbol = "";
    /** @type {Job[]} */
    this._jobs = [];
    /** @type {Map<number, JobLine>} */
    this._lines = new Map();
    this._timer = 0;
    this._form?.addEventListener("submit", (event) => this._start(event));
    document.addEventListener("visibilitychange", () => document.hidden || this._look());
  }

  /** Show the jobs of a symbol.
   * @param {string} symbol */
  watch(symbol) {
    if (symbol === this._symbol) return;
    this._symbol = symbol;
    this._jobs = [];
    this._look();
  }

  /** Offer to import days.
   * @param {string} first @param {string} last @param {number} wanted hours among them
   * @param {string} broker the one whose map is seen */
  offer(first, last, wanted, broker) {
    const form = this._form;
    if (!form) return;
    const field = (/** @type {string} */ name) => /** @type {any} */ (form.elements.namedItem(name));
    if (!form.contains(document.activeElement)) {
      field("first").value = first;
      field("last").value = last;
    }
    const hours = wanted
      ? `${wanted} ${wanted === 1 ? "hour" : "hours"} of this month could be had.`
      : "Nothing of this month is missing.";
    byId("start-note").textContent = broker === ARCHIVE
      ? hours
      : `An import brings ${ARCHIVE}'s history, not ${broker}'s: a live feed's hours are its own.`;
  }

  /** @param {SubmitEvent} event */
  async _start(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (this._form);
    const values = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form)));
    await this._act({ ...values, symbols: this._symbol }, "/coverage/jobs", form.querySelector("button.main"));
  }

  /** @param {Record<string, string>} values @param {string} path @param {any} button */
  async _act(values, path, button) {
    const error = byId("jobs-error");
    error.textContent = "";
    button.disabled = true;
    try {
      await ask(path, values);
    } catch (problem) {
      error.textContent = /** @type {Error} */ (problem).message;
    }
    button.disabled = false;
    await this._look();
  }

  async _look() {
    if (!this._list || !this._symbol) return;
    clearTimeout(this._timer);
    const symbol = this._symbol;
    try {
      const { jobs } = await ask(`/coverage/jobs?symbol=${encodeURIComponent(symbol)}`);
      if (symbol !== this._symbol) return;
      this._show(jobs);
    } catch (problem) {
      byId("jobs-note").textContent = `Jobs could not be read: ${/** @type {Error} */ (problem).message}`;
    }
    clearTimeout(this._timer);
    if (document.hidden) return;
    this._timer = setTimeout(() => this._look(), this._jobs.some(isActive) ? ACTIVE_MS : IDLE_MS);
  }

  /** @param {Job[]} jobs */
  _show(jobs) {
    const changes = changesOf(this._jobs, jobs);
    const ended = changes.find(({ isOver }) => isOver)?.job;
    this._jobs = jobs;
    byId("jobs-note").textContent = jobs.length ? "" : `No import of ${this._symbol} yet.`;
    // The list changes every second, which is not to be read out: its end is.
    if (ended) byId("jobs-said").textContent = `Import of ${titleOf(ended)}: ${describeJob(ended, 0)}`;
    this._lines = new Map(jobs.map((job) => [job.id, this._lines.get(job.id) ?? this._line(job.id)]));
    for (const job of jobs) this._lines.get(job.id)?.draw(job);
    const elements = [...this._lines.values()].map(({ element }) => element);
    const list = /** @type {HTMLElement} */ (this._list);
    // Touched only where the list is another, so that a button keeps the focus.
    const isOther = (/** @type {Element} */ element, /** @type {number} */ index) => list.children[index] !== element;
    if (list.children.length !== elements.length || elements.some(isOther)) list.replaceChildren(...elements);
    if (changes.length) this._onProgress(changes);
  }

  /** @param {number} id */
  _line(id) {
    const act = (/** @type {string} */ verb, /** @type {HTMLButtonElement} */ button) =>
      this._act({}, `/coverage/jobs/${id}/${verb}`, button);
    return new JobLine(this._list?.hasAttribute("data-changes") ? act : null);
  }
}

class JobLine {
  /** @param {((verb: string, button: HTMLButtonElement) => void) | null} act */
  constructor(act) {
    this._act = act;
    this._verb = "";
    this.element = document.createElement("li");
    this._title = document.createElement("b");
    this._bar = document.createElement("progress");
    this._text = document.createElement("p");
    this._holes = document.createElement("p");
    this._holes.className = "soft";
    this._button = document.createElement("button");
    this._button.type = "button";
    this._button.addEventListener("click", () => this._act?.(this._verb, this._button));
    this.element.append(this._title, this._button, this._bar, this._text, this._holes);
  }

  /** @param {Job} job */
  draw(job) {
    const title = titleOf(job);
    this._verb = verbOf(job);
    this.element.dataset.state = job.state;
    this._title.textContent = job.kind === "import" ? title : `${title} (${job.kind})`;
    this._bar.max = job.hours_total;
    this._bar.value = job.hours_done;
    this._bar.setAttribute("aria-label", `Progress of ${title}`);
    setText(this._text, describeJob(job, Date.now() / 1000));
    const more = job.holes > job.hole_list.length ? " …" : "";
    setText(this._holes, job.hole_list.slice(0, 3).join("; ") + (job.hole_list.length ? more : ""));
    this._button.hidden = !this._act || !this._verb;
    const label = LABELS.get(this._verb) ?? "";
    setText(this._button, label);
    this._button.setAttribute("aria-label", `${label}: ${title}`);
  }
}

/** @param {HTMLElement} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
