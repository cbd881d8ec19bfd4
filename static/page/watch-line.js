// A row of the watch list: its cells, touched only where something changed.

import { direction, formatAge, formatPrice, formatSpread, splitPrice } from "./prices.js";

/** @typedef {import("./subscriptions.js").Row} Row */

const STALE_MS = 15_000;

export class Line {
  /** @param {Row} row */
  constructor(row) {
    this.row = row;
    this.isVisible = false;
    /** @type {{timestamp: number, bid?: number, ask?: number} | null} the newest one */
    this.tick = null;
    /** @type {{timestamp: number, bid?: number, ask?: number} | null} */
    this._drawn = null;
    this._isDown = false;
    this._isStale = false;
    this.element = made("tr", "row");
    this.element.dataset.series = `${row.broker} ${row.symbol}`;
    this.button = document.createElement("button");
    Object.assign(this.button, { type: "button", className: "pick", tabIndex: -1 });
    this.button.textContent = row.display;
    const first = made("td", "cell");
    first.append(this.button);
    this._bid = new PriceCell(row);
    this._ask = new PriceCell(row);
    this._spread = new TextCell("spread");
    this._age = new TextCell("age");
    this.element.append(
      first, this._bid.element, this._ask.element, this._spread.element, this._age.element,
    );
  }

  /** Show the newest tick; what changed is lit until `calm`. */
  draw() {
    if (!this.tick || this.tick === this._drawn) return;
    const { bid, ask } = this.tick;
    const { decimals, type } = this.row;
    this._bid.show(this._drawn?.bid, bid);
    this._ask.show(this._drawn?.ask, ask);
    this._spread.show(formatSpread(bid, ask, decimals, type));
    this._drawn = this.tick;
  }

  calm() {
    this._bid.calm();
    this._ask.calm();
  }

  /** Let the age grow.
   * @param {number} serverMs the server's clock */
  age(serverMs) {
    if (!this.tick) return;
    const ageMs = serverMs - this.tick.timestamp;
    this._age.show(this._isDown ? "down" : formatAge(ageMs));
    const isStale = this._isDown || ageMs > STALE_MS;
    if (isStale === this._isStale) return;
    this._isStale = isStale;
    this.element.toggleAttribute("data-stale", isStale);
  }

  /** Say that no price can come, or that it can again ("").
   * @param {string} message */
  setDown(message) {
    this._isDown = Boolean(message);
    this.element.title = message;
  }

  /** @param {boolean} isSelected */
  select(isSelected) {
    this.element.toggleAttribute("data-selected", isSelected);
    this.button.setAttribute("aria-pressed", String(isSelected));
  }
}

class TextCell {
  /** @param {string} name */
  constructor(name) {
    this.element = made("td", "cell");
    this.element.className = `number ${name}`;
    this._text = document.createTextNode("–");
    this.element.append(this._text);
  }

  /** @param {string} text */
  show(text) {
    if (this._text.data !== text) this._text.data = text;
  }
}

// A price with its pips emphasised, as dealers read it.
class PriceCell {
  /** @param {Row} row */
  constructor(row) {
    this._row = row;
    this._way = ""; // where it went last
    this._isLit = false;
    this.element = made("td", "cell");
    this.element.className = "number price";
    this._texts = ["span", "b", "small"].map((name) => {
      const part = document.createElement(name);
      const text = document.createTextNode("");
      part.append(text);
      this.element.append(part);
      return text;
    });
    this._texts[0].data = "–";
  }

  /** @param {number | undefined} before @param {number | undefined} price */
  show(before, price) {
    if (before === price) return;
    const parts = splitPrice(formatPrice(price, this._row.decimals), this._row.type);
    this._texts.forEach((text, index) => {
      if (text.data !== parts[index]) text.data = parts[index];
    });
    const went = direction(before, price);
    if (!went) return;
    if (went !== this._way) this.element.dataset.way = went;
    this.element.dataset.went = went;
    this._way = went;
    this._isLit = true;
  }

  calm() {
    if (!this._isLit) return;
    this._isLit = false;
    delete this.element.dataset.went;
  }
}

/** Return an element of a table that is not laid out as one, hence the role.
 * @param {string} name @param {string} role */
export function made(name, role) {
  const element = document.createElement(name);
  element.setAttribute("role", role);
  return element;
}
