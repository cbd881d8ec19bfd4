// The table of live prices. Frames are kept; rows in view are painted ten times a second.

import { Line, made } from "./watch-line.js";

/** @typedef {import("./subscriptions.js").Row} Row */

const PAINT_MS = 100; // faster than the server sends; a frame more often costs, and shows nothing
const LIT_MS = 150; // of a price that changed
const AGE_MS = 250;
const UNSEEN_MS = 1000; // rows out of view: for who searches the page, or has it read

export class WatchList {
  /** @param {HTMLTableElement} table @param {HTMLInputElement} filter
   * @param {HTMLElement} note @param {(row: Row) => void} onPick */
  constructor(table, filter, note, onPick) {
    this._table = table;
    this._note = note;
    this._onPick = onPick;
    this._filter = filter;
    /** @type {Map<string, Line>} */
    this._lines = new Map();
    /** @type {Map<Element, Line>} */
    this._byElement = new Map();
    /** @type {Set<Line>} */
    this._visible = new Set();
    /** @type {Set<Line>} */
    this._changed = new Set();
    this._isPaintDue = false;
    this._paintedMs = 0;
    this.received = 0; // frames
    this.painted = 0; // rows
    this._offsetMs = 0; // the server's clock less ours
    this._observer = new IntersectionObserver((entries) => this._onView(entries));
    filter.addEventListener("input", () => this._showFiltered());
    filter.addEventListener("keydown", (event) => this._onFilterKey(event));
    table.addEventListener("keydown", (event) => this._onKey(event));
    table.addEventListener("click", (event) => this._onClick(event));
    setInterval(() => this._tell(this._visible), AGE_MS);
    setInterval(() => this._tellUnseen(), UNSEEN_MS);
  }

  /** @param {readonly Row[]} rows those of a broker together */
  show(rows) {
    const lines = rows.map((row) => new Line(row));
    this._lines = new Map(lines.map((line) => [keyOf(line.row.broker, line.row.display), line]));
    this._byElement = new Map(lines.map((line) => [line.element, line]));
    this._visible.clear();
    this._observer.disconnect();
    for (const body of [...this._table.tBodies]) body.remove();
    for (const [broker, of] of byBroker(lines)) this._table.append(groupOf(broker, of));
    for (const line of lines) this._observer.observe(line.element);
    if (lines.length) lines[0].button.tabIndex = 0;
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
    this.received++;
    const { bid, ask } = frame.data.data;
    line.tick = { timestamp: frame.data.timestamp, bid, ask };
    if (line.isVisible) this._paintSoon(line);
  }

  /** @param {any} frame FEED_DOWN or FEED_UP */
  setFeed(frame) {
    const message = frame.code === "FEED_DOWN" ? frame.message : "";
    for (const line of this._lines.values()) {
      if (line.row.broker !== frame.broker) continue;
      if (!frame.symbol || line.row.display === frame.symbol) line.setDown(message);
    }
  }

  /** @param {{broker: string, symbol: string}} choice */
  select({ broker, symbol }) {
    for (const line of this._lines.values()) {
      const isSelected = line.row.broker === broker && line.row.symbol === symbol;
      line.select(isSelected);
      if (isSelected) this._makeTabStop(line);
    }
  }

  /** @param {IntersectionObserverEntry[]} entries */
  _onView(entries) {
    for (const { target, isIntersecting } of entries) {
      const line = this._byElement.get(target);
      if (!line) continue;
      line.isVisible = isIntersecting;
      if (isIntersecting) this._visible.add(line);
      else this._visible.delete(line);
      if (isIntersecting) this._paintSoon(line);
    }
  }

  /** @param {Line} line */
  _paintSoon(line) {
    this._changed.add(line);
    if (this._isPaintDue) return;
    this._isPaintDue = true;
    const waitMs = Math.max(0, this._paintedMs + PAINT_MS - performance.now());
    setTimeout(() => requestAnimationFrame(() => this._paint()), waitMs);
  }

  _paint() {
    const lines = [...this._changed];
    this._isPaintDue = false;
    this._paintedMs = performance.now();
    this._changed.clear();
    this.painted += lines.length;
    for (const line of lines) line.draw();
    setTimeout(() => lines.forEach((line) => line.calm()), LIT_MS);
  }

  // Ages grow without a frame.
  /** @param {Iterable<Line>} lines */
  _tell(lines) {
    const serverMs = Date.now() + this._offsetMs;
    for (const line of lines) line.age(serverMs);
  }

  _tellUnseen() {
    const lines = [...this._lines.values()].filter((line) => !line.isVisible);
    for (const line of lines) {
      line.draw();
      line.calm();
    }
    this._tell(lines);
  }

  _showFiltered() {
    const wanted = this._filter.value.toUpperCase().replace(/[^A-Z0-9]/g, "");
    let count = 0;
    for (const { row, element } of this._lines.values()) {
      element.hidden = !`${row.symbol} ${row.broker.toUpperCase()}`.includes(wanted);
      count += element.hidden ? 0 : 1;
    }
    for (const body of this._table.tBodies) {
      body.hidden = !body.querySelector("[data-series]:not([hidden])");
    }
    if (this._lines.size) this._note.textContent = count ? "" : "No symbol fits the filter.";
  }

  /** @param {Event} event */
  _onClick(event) {
    const element = /** @type {Element} */ (event.target).closest("tr");
    const line = element && this._byElement.get(element);
    if (line) this._onPick(line.row);
  }

  /** Enter charts the first symbol that fits, Escape shows all again.
   * @param {KeyboardEvent} event */
  _onFilterKey(event) {
    const [first] = this._shown();
    if (event.key === "Enter" && first) this._onPick(first.row);
    else if (event.key === "ArrowDown" && first) this._focus(first);
    else if (event.key === "Escape") {
      this._filter.value = "";
      this._showFiltered();
    } else return;
    event.preventDefault();
  }

  /** Arrow keys go from symbol to symbol.
   * @param {KeyboardEvent} event */
  _onKey(event) {
    const shown = this._shown();
    const index = shown.findIndex((line) => line.button === document.activeElement);
    /** @type {Record<string, number>} */
    const goals = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: shown.length - 1 };
    if (!(event.key in goals) || !shown.length) return;
    this._focus(shown[Math.max(0, Math.min(shown.length - 1, goals[event.key]))]);
    event.preventDefault();
  }

  _shown() {
    return [...this._lines.values()].filter((line) => !line.element.hidden);
  }

  /** @param {Line} line */
  _focus(line) {
    this._makeTabStop(line);
    line.button.focus();
  }

  // One stop for Tab, not one for each symbol.
  /** @param {Line} wanted */
  _makeTabStop(wanted) {
    for (const line of this._lines.values()) line.button.tabIndex = line === wanted ? 0 : -1;
  }
}

/** @param {string} broker @param {string} display */
function keyOf(broker, display) {
  return `${broker} ${display}`;
}

/** @param {Line[]} lines */
function byBroker(lines) {
  /** @type {Map<string, Line[]>} */
  const groups = new Map();
  for (const line of lines) {
    const group = groups.get(line.row.broker);
    if (group) group.push(line);
    else groups.set(line.row.broker, [line]);
  }
  return groups;
}

/** @param {string} broker @param {Line[]} lines */
function groupOf(broker, lines) {
  const body = made("tbody", "rowgroup");
  const title = made("th", "rowheader");
  title.setAttribute("aria-colspan", "5");
  if (lines[0].row.isSimulated) title.append(badge(broker), " made-up prices");
  else title.append(broker);
  const head = made("tr", "row");
  head.className = "group";
  head.append(title);
  body.append(head, ...lines.map((line) => line.element));
  return body;
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
