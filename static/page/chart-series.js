// One chosen series: pages of history, live candles and holes, kept together.

import { describeHoles, holesOf, marksOf, pieces } from "./holes.js";
import { RestError } from "./rest.js";
import { barOfFrame, barOfRow, catchUpQuery, merge, pageQuery, sinceTime } from "./series.js";

/** @typedef {import("./subscriptions.js").Choice} Choice */
/** @typedef {import("./holes.js").Hole} Hole */

const PAGE_BARS = 500;
const CATCH_UP_BARS = 5000;
const MEND_AFTER_MS = [1000, 10_000, 60_000]; // refreshed within seconds, if all is well
const COVERED_S = 366 * 86_400; // a year of hours is 500 KB: no more is asked for
export const STEPS_S = { "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14_400, "12h": 43_200, "1d": 86_400 };

export class ChartSeries extends EventTarget {
  /** Events: `bars` (detail: the oldest changed time), `holes`, `note` (detail: text).
   * @param {Choice} choice @param {import("./rest.js").Rest} rest
   * @param {{isLive: boolean, begins: number | null}} carrier */
  constructor(choice, rest, { isLive, begins }) {
    super();
    this.choice = choice;
    this._of = { price: choice.price, isLive, begins };
    /** @type {readonly import("./series.js").Bar[]} */
    this.bars = [];
    /** @type {Hole[]} */
    this.holes = [];
    this._rest = rest;
    this._ending = new AbortController();
    /** @type {Promise<void> | null} */
    this._loading = null;
    this._hasAll = false;
    this._coveredFrom = Infinity;
    this._mendFrom = Infinity;
    /** @type {ReturnType<typeof setTimeout>[]} */
    this._mending = [];
  }

  /** Where live candles must go on from; null before there is any. */
  get since() {
    return sinceTime(this.bars);
  }

  get marks() {
    const marks = marksOf(this.bars, this.holes, this._step);
    return marks.map(({ time, holes }) => ({ time, text: describeHoles(holes) }));
  }

  /** Load the page before the oldest bar; one at a time, nothing when all is there. */
  loadOlder() {
    if (!this._hasAll) this._loading ??= this._loadPage().finally(() => (this._loading = null));
    return this._loading ?? Promise.resolve();
  }

  async _loadPage() {
    try {
      const query = pageQuery(this.choice, this.bars, PAGE_BARS);
      const rows = (await this._read("/api/candles", query)) ?? [];
      this._hasAll = rows.length < PAGE_BARS;
      this._merge(rows.map(barOfRow));
      // Scrolling on need not wait for it.
      this._loadHoles().catch((error) => this._tell(error));
    } catch (error) {
      this._tell(error);
    }
  }

  /** Load what came since the newest complete bar: called once live candles are
   * promised, so that none falls between the last page and them.
   * @param {number} since Unix seconds; to begin there, if that is earlier */
  async catchUp(since = Infinity) {
    await this.loadOlderOnce();
    try {
      for (let count = CATCH_UP_BARS; count === CATCH_UP_BARS && this.bars.length; since = Infinity) {
        const from = Math.min(since, sinceTime(this.bars) ?? 0);
        const query = catchUpQuery(this.choice, from, CATCH_UP_BARS);
        const rows = (await this._read("/api/candles", query)) ?? [];
        this._merge(rows.map(barOfRow));
        count = rows.length;
      }
    } catch (error) {
      this._tell(error);
    }
  }

  /** Wait for the page that is being read; read the first one if there is none. */
  async loadOlderOnce() {
    await (this._loading ?? (this.bars.length ? null : this.loadOlder()));
  }

  /** @param {any} frame a live candle of this choice */
  receive(frame) {
    this._merge([barOfFrame(frame)]);
  }

  /** @param {any} frame a GAP */
  addGap(frame) {
    if (frame.from == null || frame.to == null) return;
    const hole = { from: frame.from / 1000, to: frame.to / 1000, reason: "gap" };
    this._addHoles([hole]);
    this.mend(hole.from);
  }

  /** Read again what came about an interruption, of the feed or ours: a bucket that was
   * over before there were live candles again is told by REST alone, once it is stored
   * and refreshed.
   * @param {number} since Unix seconds; Infinity: since the newest complete bar */
  mend(since) {
    const first = Math.floor(since / this._step) * this._step;
    this._mendFrom = Math.min(this._mendFrom, first);
    for (const timer of this._mending) clearTimeout(timer);
    this._mending = MEND_AFTER_MS.map((ms, index) =>
      setTimeout(() => {
        this.catchUp(this._mendFrom);
        if (index === MEND_AFTER_MS.length - 1) this._mendFrom = Infinity;
      }, ms * (1 + Math.random() / 2)), // not all pages at once
    );
  }

  end() {
    this._ending.abort();
    for (const timer of this._mending) clearTimeout(timer);
  }

  get _step() {
    return STEPS_S[/** @type {keyof typeof STEPS_S} */ (this.choice.timeframe)];
  }

  // Between the bars only: asked up to now, a series that ended years ago would bring
  // megabytes of missing hours.
  async _loadHoles() {
    const last = this.bars.at(-1);
    if (!last) return;
    const { symbol, broker } = this.choice;
    const from = Math.max(this.bars[0].time, last.time - COVERED_S);
    for (const piece of pieces(from, Math.min(this._coveredFrom, last.time))) {
      const query = new URLSearchParams({ symbol, broker, from: `${piece.from}`, to: `${piece.to}` });
      this._coveredFrom = piece.from;
      const coverage = await this._read("/api/coverage", query);
      if (coverage) this._addHoles(holesOf(coverage, this._of));
    }
  }

  /** @param {Hole[]} holes */
  _addHoles(holes) {
    if (!holes.length || this._ending.signal.aborted) return;
    const keys = new Set(this.holes.map((hole) => `${hole.from} ${hole.reason}`));
    const fresh = holes.filter((hole) => !keys.has(`${hole.from} ${hole.reason}`));
    this.holes = [...this.holes, ...fresh].sort((a, b) => a.from - b.from);
    this.dispatchEvent(new Event("holes"));
  }

  /** @param {import("./series.js").Bar[]} incoming */
  _merge(incoming) {
    if (this._ending.signal.aborted) return;
    const { bars, changedFrom } = merge(this.bars, incoming);
    this.bars = bars;
    if (changedFrom != null) this.dispatchEvent(new CustomEvent("bars", { detail: changedFrom }));
  }

  /** Return the answer; null when nothing is stored of the series yet.
   * @param {string} path @param {URLSearchParams} query */
  async _read(path, query) {
    try {
      return await this._rest.readPatiently(`${path}?${query}`, this._ending.signal);
    } catch (error) {
      if (error instanceof RestError && error.status === 404) return null;
      throw error;
    }
  }

  /** @param {any} error */
  _tell(error) {
    if (this._ending.signal.aborted) return;
    this.dispatchEvent(new CustomEvent("note", { detail: error.message }));
  }
}
