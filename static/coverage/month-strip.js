// The twelve months of a year, each a small map to choose by.

import { countStates, daysOf, describeMonth, STATES } from "./hours.js";

/** @typedef {import("./hours.js").Month} Month */
/** @typedef {import("./hours.js").Coverage} Coverage */

const NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const CELL = { width: 4, height: 3 }; // pixels of the drawing, which CSS scales

export class MonthStrip {
  /** @param {HTMLElement} group @param {(name: string) => void} onPick */
  constructor(group, onPick) {
    this._group = group;
    this._onPick = onPick;
    /** @type {Map<string, {button: HTMLButtonElement, canvas: HTMLCanvasElement,
     *   label: HTMLElement, month: Month, coverage: Coverage | null}>} */
    this._parts = new Map();
    document.documentElement.addEventListener("themechange", () => this._redraw());
  }

  /** @param {readonly Month[]} months */
  show(months) {
    this._parts = new Map(months.map((month, index) => [month.name, this._part(month, index)]));
    this._group.replaceChildren(...[...this._parts.values()].map(({ button }) => button));
  }

  /** @param {string} name */
  select(name) {
    for (const [key, { button }] of this._parts) {
      button.setAttribute("aria-pressed", String(key === name));
    }
  }

  /** Draw a month; null is one that is all to come.
   * @param {string} name @param {Coverage | null} coverage */
  fill(name, coverage) {
    const part = this._parts.get(name);
    if (!part) return;
    part.coverage = coverage;
    part.label.textContent = coverage ? describeMonth(countStates(part.month, coverage)) : "to come";
    this._draw(part);
  }

  /** @param {Month} month @param {number} index */
  _part(month, index) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "month";
    button.dataset.month = month.name;
    button.addEventListener("click", () => this._onPick(month.name));
    const name = document.createElement("b");
    name.textContent = NAMES[index];
    const canvas = document.createElement("canvas");
    canvas.width = 24 * CELL.width;
    canvas.height = 31 * CELL.height;
    canvas.setAttribute("aria-hidden", "true");
    const label = document.createElement("span");
    label.textContent = "…";
    button.append(name, canvas, label);
    return { button, canvas, label, month, coverage: null };
  }

  _redraw() {
    for (const part of this._parts.values()) this._draw(part);
  }

  /** @param {{canvas: HTMLCanvasElement, month: Month, coverage: Coverage | null}} part */
  _draw({ canvas, month, coverage }) {
    const pen = canvas.getContext("2d");
    if (!pen) return;
    const colours = coloursOf(canvas);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    daysOf(month, coverage).forEach(({ cells }, row) => {
      cells.forEach(({ state, level, gaps }, column) => {
        pen.fillStyle = colours[gaps.length ? "gap" : level ? `level-${level}` : state] || "transparent";
        pen.fillRect(column * CELL.width, row * CELL.height, CELL.width, CELL.height);
      });
    });
  }
}

/** @param {HTMLElement} element @returns {Record<string, string>} */
function coloursOf(element) {
  const style = getComputedStyle(element);
  const names = [...STATES.map(({ state }) => state), "gap", ...[1, 2, 3, 4, 5].map((n) => `level-${n}`)];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}
