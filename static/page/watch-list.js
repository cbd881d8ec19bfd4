// The table of live prices. Frames are kept and drawn once per animation frame.

import { direction, formatAge, formatPrice, formatSpread } from "./prices.js";

/** @typedef {import("./subscriptions.js").Row} Row */

const FLASH_MS = 400;
const STALE_MS = 15_000;

export class WatchList {
  /** @param {HTMLTableElement} table @param {HTMLInputElement} filter
   * @param {HTMLElement} note @param {(row: Row) => void} onPick */
  constructor(table, filter, note, onPick) {
    this._body = table.tBodies[0];
    this._note = note;
    this._onPick = onPick;
    this._filter = filter;
    /** @type {Map<string, Line>} */
    this._lines = new Map();
    /** @type {Set<Line>} */
    this._changed = new Set();
    this._offsetMs = 0; // the server's clock less ours
    filter.addEventListener("input", () => this._showFiltered());
    table.addEventListener("keydown", (event) => this._onKey(event));
    setInterval(() => this._tell(), 500);
  }

  /** @param {readonly Row[]} rows */
  show(rows) {
    this._lines = new Map(rows.map((row) => [keyOf(row.broker, row.display), new Line(row)]));
    for (const line of this._lines.values()) {
      line.element.addEventListener("click", () => this._onPick(line.row));
    }
    this._body.replaceChildren(...[...this._lines.values()].map((line) => line.element));
    this._showFiltered();
  }

  /** @param {number} serverMs the server's clock now */
  setClock(serverMs) {
    this._offsetMs = serverMs - Date.now();
  }

  /** @param {any} frame a data frame of type tick */
  receive(frame) {
    const line = this._lines.get(keyOf(frame.broker, frame.symbol));
    if (!line) return;
    line.tick = { timestamp: frame.data.timestamp, ...frame.data.data };
    if (!this._changed.size) requestAnimationFrame(() => this._draw());
    this._changed.add(line);
  }

  /** @param {any} frame FEED_DOWN or FEED_UP */
  setFeed(frame) {
    const isDown = frame.code === "FEED_DOWN";
    for (const { row, element } of this._lines.values()) {
      if (row.broker !== frame.broker) continue;
      if (frame.symbol && row.display !== frame.symbol) continue;
      element.toggleAttribute("data-down", isDown);
      element.title = isDown ? frame.message : "";
    }
  }

  /** @param {{broker: string, symbol: string}} choice */
  select({ broker, symbol }) {
    for (const { row, element, button } of this._lines.values()) {
      const isSelected = row.broker === broker && row.symbol === symbol;
      element.setAttribute("aria-selected", String(isSelected));
      button.setAttribute("aria-pressed", String(isSelected));
    }
  }

  _draw() {
    const now = performance.now();
    for (const line of this._changed) line.draw(now);
    this._changed.clear();
  }

  // Ages grow and flashes end without a frame.
  _tell() {
    const now = performance.now();
    const serverMs = Date.now() + this._offsetMs;
    for (const line of this._lines.values()) line.age(now, serverMs);
  }

  _showFiltered() {
    const wanted = this._filter.value.toUpperCase().replace(/[^A-Z0-9]/g, "");
    let count = 0;
    for (const { row, element } of this._lines.values()) {
      element.hidden = !`${row.symbol} ${row.broker.toUpperCase()}`.includes(wanted);
      count += element.hidden ? 0 : 1;
    }
    if (this._lines.size) this._note.textContent = count ? "" : "No symbol fits the filter.";
  }

  /** Arrow keys go from symbol to symbol.
   * @param {KeyboardEvent} event */
  _onKey(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (!step) return;
    const buttons = [...this._lines.values()].filter((line) => !line.element.hidden).map((line) => line.button);
    const index = buttons.findIndex((button) => button === document.activeElement);
    buttons[Math.max(0, Math.min(buttons.length - 1, index + step))]?.focus();
    event.preventDefault();
  }
}

/** @param {string} broker @param {string} display */
function keyOf(broker, display) {
  return `${broker} ${display}`;
}

// A row's cells; touched only where something changed.
class Line {
  /** @param {Row} row */
  constructor(row) {
    this.row = row;
    /** @type {any} */
    this.tick = null;
    /** @type {any} */
    this._drawn = null;
    this._flashEnds = 0;
    this.element = document.createElement("tr");
    this.element.dataset.series = `${row.broker} ${row.symbol}`;
    this.button = document.createElement("button");
    const first = document.createElement("td");
    first.append(this.button, carrier(row));
    this.button.type = "button";
    this.button.className = "pick";
    this.button.textContent = row.display;
    const [bid, ask, spread, age] = ["price", "price", "spread", "age"].map((name) => {
      const cell = document.createElement("td");
      cell.className = `number ${name}`;
      cell.textContent = "–";
      return cell;
    });
    this._bid = bid;
    this._ask = ask;
    this._spread = spread;
    this._age = age;
    this.element.append(first, bid, ask, spread, age);
  }

  /** @param {number} now */
  draw(now) {
    const { bid, ask } = this.tick;
    const { decimals, type } = this.row;
    this._drawPrice(this._bid, this._drawn?.bid, bid);
    this._drawPrice(this._ask, this._drawn?.ask, ask);
    setText(this._spread, formatSpread(bid, ask, decimals, type));
    this._drawn = this.tick;
    this._flashEnds = now + FLASH_MS;
  }

  /** @param {HTMLElement} cell @param {number | undefined} before @param {number} price */
  _drawPrice(cell, before, price) {
    const went = direction(before, price);
    setText(cell, formatPrice(price, this.row.decimals));
    if (went) cell.dataset.went = went;
  }

  /** @param {number} now @param {number} serverMs */
  age(now, serverMs) {
    if (!this._drawn) return;
    const ageMs = serverMs - this._drawn.timestamp;
    setText(this._age, this.element.hasAttribute("data-down") ? "down" : formatAge(ageMs));
    const isStale = ageMs > STALE_MS || this.element.hasAttribute("data-down");
    if (isStale !== this.element.hasAttribute("data-stale")) {
      this.element.toggleAttribute("data-stale", isStale);
    }
    if (now >= this._flashEnds && this._flashEnds) {
      this._flashEnds = 0;
      delete this._bid.dataset.went;
      delete this._ask.dataset.went;
    }
  }
}

/** @param {Row} row */
function carrier(row) {
  const element = document.createElement("span");
  element.className = "carrier";
  element.textContent = row.isSimulated ? "" : row.broker;
  if (row.isSimulated) element.append(badge(row.broker));
  return element;
}

/** Return the label of made-up prices.
 * @param {string} broker */
export function badge(broker) {
  const element = document.createElement("span");
  element.className = "badge";
  element.textContent = broker.includes("simulated") ? broker : `${broker} (simulated)`;
  element.title = "These prices are made up by the server.";
  return element;
}

/** @param {HTMLElement} cell @param {string} text */
function setText(cell, text) {
  if (cell.textContent !== text) cell.textContent = text;
}
