// The drawing of candles: TradingView's Lightweight Charts, if they were fetched.

/** @typedef {import("./series.js").Bar} Bar */

const LIBRARY = "../vendor/lightweight-charts.mjs";
const NEAR_START = 30; // bars left of the view when the next page is asked for
const SCROLL_BARS = 10;

/** Return a chart in the element; null when the library is not there.
 * @param {HTMLElement} element */
export async function makeChart(element) {
  try {
    const library = await import(LIBRARY);
    return new Chart(library, element);
  } catch (error) {
    console.warn("the chart library was not loaded:", error);
    return null;
  }
}

export class Chart {
  /** @param {any} library @param {HTMLElement} element */
  constructor(library, element) {
    this._element = element;
    this._chart = library.createChart(element, {
      autoSize: true,
      timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 4 },
      localization: { locale: "en-GB" },
    });
    this._series = this._chart.addSeries(library.CandlestickSeries, { borderVisible: false });
    this._markers = library.createSeriesMarkers(this._series, []);
    /** @type {readonly Bar[]} */
    this._bars = [];
    /** Called when the view comes near the oldest bar. */
    this.onNearStart = () => {};
    this._chart.timeScale().subscribeVisibleLogicalRangeChange((/** @type {any} */ range) => {
      if (range && this._bars.length && range.from < NEAR_START) this.onNearStart();
    });
    /** Called with the candle under the pointer; null: none. */
    this.onHover = (/** @type {Bar | null} */ _bar) => {};
    this._chart.subscribeCrosshairMove((/** @type {any} */ { time }) => {
      this.onHover(time == null ? null : (this._bars.find((bar) => bar.time === time) ?? null));
    });
    element.addEventListener("keydown", (event) => this._onKey(event));
    document.documentElement.addEventListener("themechange", () => this._paint());
    this._paint();
  }

  /** Empty the chart for another series.
   * @param {number} decimals */
  reset(decimals) {
    this._bars = [];
    this._series.setData([]);
    this._markers.setMarkers([]);
    const minMove = 10 ** -decimals;
    this._series.applyOptions({ priceFormat: { type: "price", precision: decimals, minMove } });
    this._chart.priceScale("right").applyOptions({ autoScale: true });
  }

  /** Draw the bars; those before `changedFrom` are drawn already.
   * @param {readonly Bar[]} bars @param {number} changedFrom */
  draw(bars, changedFrom) {
    const isFirst = !this._bars.length;
    const last = this._bars.at(-1);
    this._bars = bars;
    if (!last || changedFrom < last.time) {
      this._series.setData(bars.map(drawn));
      if (isFirst) this._chart.timeScale().scrollToRealTime();
      return;
    }
    let index = bars.length - 1;
    while (index > 0 && bars[index - 1].time >= changedFrom) index--;
    for (const bar of bars.slice(index)) this._series.update(drawn(bar));
  }

  /** @param {{time: number, text: string}[]} marks */
  mark(marks) {
    this._marks = marks;
    const color = this._color("--warn");
    this._markers.setMarkers(
      marks.map(({ time }) => ({ time, color, position: "belowBar", shape: "square", size: 0.6 })),
    );
  }

  /** The candles that the library has, ascending. */
  get drawn() {
    return this._series.data();
  }

  _paint() {
    const [text, grid, back] = ["--soft", "--grid", "--back"].map((name) => this._color(name));
    const [up, down] = [this._color("--up"), this._color("--down")];
    this._chart.applyOptions({
      layout: { background: { color: back }, textColor: text, attributionLogo: true },
      grid: { vertLines: { color: grid }, horzLines: { color: grid } },
      rightPriceScale: { borderColor: grid },
      timeScale: { borderColor: grid },
    });
    this._series.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
    if (this._marks) this.mark(this._marks);
  }

  /** @param {string} name */
  _color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  /** @param {KeyboardEvent} event */
  _onKey(event) {
    const scale = this._chart.timeScale();
    const scroll = (/** @type {number} */ bars) => scale.scrollToPosition(scale.scrollPosition() + bars, false);
    const zoom = (/** @type {number} */ factor) => {
      const { barSpacing } = scale.options();
      scale.applyOptions({ barSpacing: Math.max(1, Math.min(60, barSpacing * factor)) });
    };
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowLeft: () => scroll(-SCROLL_BARS),
      ArrowRight: () => scroll(SCROLL_BARS),
      PageUp: () => scroll(-SCROLL_BARS * 10),
      PageDown: () => scroll(SCROLL_BARS * 10),
      End: () => scale.scrollToRealTime(),
      "+": () => zoom(1.25),
      "=": () => zoom(1.25),
      "-": () => zoom(0.8),
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
    actions[event.key]();
    event.preventDefault();
  }
}

/** @param {Bar} bar */
function drawn({ time, open, high, low, close }) {
  return { time, open, high, low, close };
}
