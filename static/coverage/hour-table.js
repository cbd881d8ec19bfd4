// The map of one month: a grid of days and hours, with a tooltip and arrow keys.

import { daysOf, describeCell } from "./hours.js";

/** @typedef {import("./hours.js").Month} Month */
/** @typedef {import("./hours.js").Cell} Cell */

const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
/** @type {Record<string, [number, number]>} */
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export class HourTable {
  /** @param {HTMLTableElement} table @param {HTMLElement} tip
   * @param {(step: number) => void} onStep asks for the month before or after */
  constructor(table, tip, onStep) {
    this._table = table;
    this._tip = tip;
    this._onStep = onStep;
    /** @type {HTMLTableCellElement[][]} */
    this._cells = [];
    this._at = [0, 0];
    this._name = "";
    this._body = document.createElement("tbody");
    table.append(headOf(), this._body);
    table.addEventListener("keydown", (event) => this._onKey(event));
    for (const kind of ["pointerover", "focusin"]) {
      table.addEventListener(kind, (event) => this._onPoint(event));
    }
    for (const kind of ["pointerleave", "focusout"]) {
      table.addEventListener(kind, () => this._hide());
    }
  }

  /** Show a month; of the one that is shown, only what changed is touched.
   * @param {Month} month @param {import("./hours.js").Coverage | null} coverage */
  show(month, coverage) {
    const days = daysOf(month, coverage);
    if (month.name !== this._name) this._rebuild(month, days);
    days.forEach(({ cells }, row) => cells.forEach((cell, column) => draw(this._cells[row][column], cell)));
    this._table.dataset.month = month.name;
    this._table.setAttribute("aria-busy", String(coverage === null));
  }

  /** @param {Month} month @param {{day: string, cells: Cell[]}[]} days */
  _rebuild(month, days) {
    const isFocused = this._table.contains(document.activeElement);
    const rows = days.map(({ day, cells }) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      const weekday = WEEKDAYS[new Date(`${day}T00:00Z`).getUTCDay()];
      head.textContent = `${weekday} ${Number(day.slice(8))}`;
      row.append(head, ...cells.map(() => newCell()));
      return row;
    });
    this._name = month.name;
    this._hide();
    this._body.replaceChildren(...rows);
    this._cells = rows.map((row) => /** @type {HTMLTableCellElement[]} */ ([...row.cells].slice(1)));
    this._go(Math.min(this._at[0], days.length - 1), this._at[1], isFocused);
  }

  /** @param {number} row @param {number} column @param {boolean} isFocused */
  _go(row, column, isFocused) {
    const before = this._cells[this._at[0]]?.[this._at[1]];
    if (before) before.tabIndex = -1;
    this._at = [row, column];
    const cell = this._cells[row][column];
    cell.tabIndex = 0;
    if (isFocused) cell.focus();
  }

  /** @param {KeyboardEvent} event */
  _onKey(event) {
    const [row, column] = this._at;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (STEPS[event.key]) {
      const [down, right] = STEPS[event.key];
      this._go(clamp(row + down, this._cells.length), clamp(column + right, 24), true);
    } else if (event.key === "Home" || event.key === "End") {
      this._go(row, event.key === "Home" ? 0 : 23, true);
    } else if (event.key === "PageUp" || event.key === "PageDown") {
      this._onStep(event.key === "PageUp" ? -1 : 1);
    } else if (event.key === "Escape") {
      this._hide();
    } else {
      return;
    }
    event.preventDefault();
  }

  /** @param {Event} event */
  _onPoint(event) {
    const cell = /** @type {HTMLElement} */ (event.target);
    if (!cell.dataset.state) return;
    if (event.type === "focusin") this._at = this._placeOf(cell);
    this._tip.textContent = cell.getAttribute("aria-label");
    this._tip.hidden = false;
    const { left, top, bottom, width } = cell.getBoundingClientRect();
    const { width: wide, height: high } = this._tip.getBoundingClientRect();
    const free = document.documentElement.clientWidth - wide - 4;
    this._tip.style.left = `${Math.max(4, Math.min(free, left + width / 2 - wide / 2))}px`;
    this._tip.style.top = `${top > high + 8 ? top - high - 6 : bottom + 6}px`;
  }

  /** @param {HTMLElement} cell @returns {[number, number]} */
  _placeOf(cell) {
    const row = this._cells.findIndex((cells) => cells.includes(/** @type {any} */ (cell)));
    const column = this._cells[row].indexOf(/** @type {any} */ (cell));
    const [before, beside] = this._at;
    this._cells[before][beside].tabIndex = -1;
    cell.tabIndex = 0;
    return [row, column];
  }

  _hide() {
    this._tip.hidden = true;
  }
}

function headOf() {
  const head = document.createElement("thead");
  const row = head.insertRow();
  const corner = document.createElement("th");
  corner.scope = "col";
  corner.textContent = "Day";
  row.append(corner);
  for (let hour = 0; hour < 24; hour++) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = String(hour).padStart(2, "0");
    row.append(cell);
  }
  return head;
}

function newCell() {
  const cell = document.createElement("td");
  cell.tabIndex = -1;
  return cell;
}

/** @param {HTMLTableCellElement} element @param {Cell} cell */
function draw(element, cell) {
  const text = describeCell(cell);
  if (element.getAttribute("aria-label") === text && element.dataset.level === String(cell.level)) return;
  element.setAttribute("aria-label", text);
  element.dataset.state = cell.state;
  element.dataset.level = String(cell.level);
  element.toggleAttribute("data-gap", cell.gaps.length > 0);
}

/** @param {number} value @param {number} count */
function clamp(value, count) {
  return Math.max(0, Math.min(count - 1, value));
}
