// The chart and its controls: which series, its history, its live candles.

import { makeChart } from "./chart.js";
import { ChartSeries, STEPS_S } from "./chart-series.js";
import { direction, formatPrice } from "./prices.js";
import { candleId, candleRequest, isCandleOf, leaveCandles } from "./subscriptions.js";
import { badge } from "./watch-list.js";

/** @typedef {import("./subscriptions.js").Choice} Choice */
/** @typedef {import("./subscriptions.js").Carrier} Carrier */
/** @typedef {{symbol: string, display: string, decimals: number, carriers: Carrier[]}} Instrument */

const PRICES = ["mid", "bid", "ask", "trade"];

export class ChartPanel {
  /** @param {import("./rest.js").Rest} rest @param {(request: object) => void} send
   * @param {(choice: Choice) => void} onChoice */
  constructor(rest, send, onChoice) {
    this._rest = rest;
    this._send = send;
    this._onChoice = onChoice;
    this._title = byId("chart-title");
    this._last = byId("last");
    this._source = byId("source");
    this._note = byId("chart-note");
    this._broker = /** @type {HTMLSelectElement} */ (byId("broker"));
    /** @type {ChartSeries | null} */
    this._series = null;
    /** @type {Instrument | null} */
    this._instrument = null;
    /** @type {Carrier | undefined} */
    this._carrier = undefined;
    /** @type {import("./series.js").Bar | null} */
    this._hovered = null;
    /** @type {number | undefined} of its last candle before, in Unix seconds */
    this._downSince = undefined;
    /** @type {number | undefined} */
    this._lastClose = undefined;
    /** @type {Map<number, string>} what is missing, by the candle's time */
    this._marks = new Map();
    this._timeframe = "1m";
    this._price = "mid";
    fillRadios("timeframe", Object.keys(STEPS_S), this._timeframe, (value) => this._choose({ timeframe: value }));
    fillRadios("price", PRICES, this._price, (value) => this._choose({ price: value }));
    this._broker.addEventListener("change", () => this._choose({ broker: this._broker.value }));
  }

  /** Load the drawing library; without it the panel says so, and the last price lives on. */
  async start() {
    this._chart = await makeChart(byId("chart"));
    if (this._chart) {
      this._chart.onNearStart = () => this._series?.loadOlder();
      this._chart.onHover = (bar) => {
        this._hovered = bar;
        this._describeBar();
      };
    } else {
      byId("chart").textContent = "The chart library is not installed on this server "
        + "(make run fetches it), so there is no chart; live prices go on.";
      byId("chart").className = "note";
    }
  }

  /** Chart an instrument.
   * @param {Instrument} instrument @param {string} broker */
  show(instrument, broker) {
    this._instrument = instrument;
    this._broker.replaceChildren(
      ...instrument.carriers.map((item) => new Option(nameOf(item), item.broker)),
    );
    this._choose({ broker });
  }

  /** The candles that are on the chart, ascending. */
  get drawn() {
    return this._chart?.drawn ?? [];
  }

  /** @returns {object[]} what to ask for after a connection was made */
  requests() {
    return this._series && this._carrier?.isLive
      ? [candleRequest(this._series.choice, this._series.since)]
      : [];
  }

  /** @param {any} frame of any type */
  receive(frame) {
    const series = this._series;
    if (!series || !this._instrument) return;
    if (frame.type === "data") {
      if (isCandleOf(frame, series.choice, this._instrument.display)) series.receive(frame);
    } else if (frame.id === candleId(series.choice)) {
      this._onReply(series, frame);
    } else if (frame.broker === series.choice.broker && frame.symbol === this._instrument.display) {
      const other = series.choice.price === "trade" ? "tick" : "trade";
      if (frame.code === "GAP" && frame.data_type !== other) series.addGap(frame);
      if (frame.code === "FEED_DOWN") this._downSince = series.bars.at(-1)?.time;
      if (frame.code === "FEED_UP") series.mend(this._downSince ?? series.since ?? 0);
      if (frame.code === "PARTIAL_HISTORY") series.catchUp();
    }
  }

  /** @param {ChartSeries} series @param {any} frame */
  _onReply(series, frame) {
    if (frame.accepted?.length) {
      this._tell("");
      series.catchUp();
      series.mend(series.since ?? Infinity);
    } else {
      this._tell(`No live candles: ${frame.rejected?.[0]?.message ?? frame.message}`);
    }
  }

  /** @param {{broker?: string, timeframe?: string, price?: string}} change */
  _choose(change) {
    if (!this._instrument) return;
    this._timeframe = change.timeframe ?? this._timeframe;
    this._price = change.price ?? this._price;
    const broker = change.broker ?? this._carrier?.broker ?? "";
    this._carrier = this._instrument.carriers.find((item) => item.broker === broker);
    this._broker.value = broker;
    const { symbol } = this._instrument;
    this._replace({ symbol, broker, timeframe: this._timeframe, price: this._price });
  }

  /** @param {Choice} choice */
  _replace(choice) {
    if (this._series) {
      this._series.end();
      this._send(leaveCandles(this._series.choice));
    }
    const series = new ChartSeries(choice, this._rest, this._carrier ?? { isLive: false, begins: null });
    this._series = series;
    this._chart?.reset(this._decimals);
    series.addEventListener("bars", (event) => this._draw(/** @type {CustomEvent} */ (event).detail));
    series.addEventListener("holes", () => this._mark());
    series.addEventListener("note", (event) => this._tell(/** @type {CustomEvent} */ (event).detail));
    this._describe(choice);
    this._mark();
    for (const request of this.requests()) this._send(request);
    series.loadOlder().then(() => {
      if (this._series === series && !series.bars.length && !this._note.textContent) {
        this._tell("Nothing is stored of this series yet.");
      }
    });
    this._onChoice(choice);
  }

  // Mids and candles have one decimal more than the instrument's prices.
  get _decimals() {
    return (this._instrument?.decimals ?? 5) + (this._price === "mid" ? 1 : 0);
  }

  /** @param {number} changedFrom */
  _draw(changedFrom) {
    const { bars } = /** @type {ChartSeries} */ (this._series);
    const last = bars.at(-1);
    if (this._note.textContent?.startsWith("Nothing is stored")) this._tell("");
    const way = direction(this._lastClose, last?.close);
    if (way) this._last.dataset.way = way;
    this._lastClose = last?.close;
    this._last.textContent = formatPrice(last?.close, this._decimals);
    this._describeBar();
    this._chart?.draw(bars, changedFrom);
    if (this._series?.holes.length) this._mark();
  }

  // What is under the pointer, else the newest.
  _describeBar() {
    const bars = this._series?.bars ?? [];
    const time = this._hovered?.time;
    const bar = bars.findLast((item) => item.time === time) ?? bars.at(-1);
    const write = (/** @type {number} */ price) => formatPrice(price, this._decimals);
    const [when, prices] = byId("legend").children;
    const missing = this._marks.get(bar?.time ?? 0);
    when.textContent = bar ? utc(bar.time) : "";
    prices.textContent = bar
      ? ` O ${write(bar.open)} H ${write(bar.high)} L ${write(bar.low)} C ${write(bar.close)}${missing ? ` · missing: ${missing}` : ""}`
      : "";
  }

  _mark() {
    const marks = this._series?.marks ?? [];
    this._marks = new Map(marks.map(({ time, text }) => [time, text]));
    this._chart?.mark(marks);
    const details = byId("holes");
    details.hidden = !marks.length;
    const word = marks.length === 1 ? "place" : "places";
    /** @type {HTMLElement} */ (details.querySelector("summary")).textContent =
      `Data are missing in ${marks.length} ${word} (of the last year shown)`;
    const items = marks.map(({ time, text }) => {
      const item = document.createElement("li");
      item.textContent = `${utc(time)}: ${text}`;
      return item;
    });
    /** @type {HTMLElement} */ (details.querySelector("ul")).replaceChildren(...items.reverse());
  }

  /** @param {Choice} choice */
  _describe({ broker, timeframe, price }) {
    this._title.textContent = `${this._instrument?.display} · ${timeframe}`;
    this._last.textContent = "–";
    this._lastClose = undefined;
    delete this._last.dataset.way;
    this._hovered = null;
    this._describeBar();
    this._tell("");
    const live = this._carrier?.isLive ? "history and live" : "history only, no live feed of this broker runs";
    this._source.replaceChildren(`${price} prices of one broker: `);
    if (this._carrier?.isSimulated) this._source.append(badge(broker), " made-up prices");
    else this._source.append(broker);
    this._source.append(` (${live})`);
  }

  /** @param {string} text */
  _tell(text) {
    this._note.textContent = text;
  }
}

/** @param {number} time in Unix seconds */
function utc(time) {
  return new Date(time * 1000).toISOString().slice(0, 16).replace("T", " ");
}

/** @param {Carrier} carrier */
function nameOf({ broker, isSimulated }) {
  return isSimulated && !broker.includes("simulated") ? `${broker} (simulated)` : broker;
}

/** @param {string} id @returns {HTMLElement} */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @param {string} id @param {string[]} values @param {string} chosen
 * @param {(value: string) => void} onChange */
function fillRadios(id, values, chosen, onChange) {
  for (const value of values) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    const text = document.createElement("span");
    Object.assign(input, { type: "radio", name: id, value, checked: value === chosen });
    input.addEventListener("change", () => onChange(value));
    text.textContent = value;
    label.append(input, text);
    byId(id).append(label);
  }
}
