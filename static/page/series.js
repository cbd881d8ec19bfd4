// One series of candles, put together from REST pages and live frames; pure.

/**
 * A candle; `time` is the bucket's start in Unix seconds.
 * @typedef {{time: number, open: number, high: number, low: number, close: number,
 *   ticks: number, rev: number, complete: boolean}} Bar
 */

/** Return the bar of one candle of `/api/candles?fields=full`.
 * @param {any} row
 * @returns {Bar} */
export function barOfRow(row) {
  const { time, open, high, low, close, ticks, rev, complete } = row;
  return { time, open, high, low, close, ticks, rev, complete };
}

/** Return the bar of a live candle frame (`type` data, `data.type` candle).
 * @param {any} frame
 * @returns {Bar} */
export function barOfFrame(frame) {
  const { open, high, low, close, ticks, rev, final } = frame.data.data;
  const time = Math.floor(frame.data.timestamp / 1000);
  return { time, open, high, low, close, ticks, rev, complete: Boolean(final) };
}

/** Tell whether `next` is at least as new a state of the same bucket as `bar`.
 *
 * A page that was read before a live frame may arrive after it, so the order of
 * arrival says nothing: the revision does, then completeness, then the ticks in it.
 * @param {Bar} bar
 * @param {Bar} next */
export function supersedes(bar, next) {
  if (bar.rev !== next.rev) return next.rev > bar.rev;
  if (bar.complete !== next.complete) return next.complete;
  return next.ticks >= bar.ticks;
}

/** Return ascending bars with `incoming` (any order) merged in, and the oldest time
 * that changed (null: nothing did). `bars` itself is left as it is.
 * @param {readonly Bar[]} bars
 * @param {readonly Bar[]} incoming
 * @returns {{bars: readonly Bar[], changedFrom: number | null}} */
export function merge(bars, incoming) {
  const last = bars.at(-1);
  if (incoming.length === 1 && last && incoming[0].time >= last.time) {
    return mergeNewest(bars, last, incoming[0]);
  }
  const byTime = new Map(bars.map((bar) => [bar.time, bar]));
  let changedFrom = Infinity;
  for (const bar of incoming) {
    const known = byTime.get(bar.time);
    if (known && (!supersedes(known, bar) || isSame(known, bar))) continue;
    byTime.set(bar.time, bar);
    changedFrom = Math.min(changedFrom, bar.time);
  }
  if (changedFrom === Infinity) return { bars, changedFrom: null };
  const merged = [...byTime.values()].sort((a, b) => a.time - b.time);
  return { bars: merged, changedFrom };
}

/** The way of a live frame: no copy into a map.
 * @param {readonly Bar[]} bars @param {Bar} last @param {Bar} bar
 * @returns {{bars: readonly Bar[], changedFrom: number | null}} */
function mergeNewest(bars, last, bar) {
  const isOpen = bar.time === last.time;
  if (isOpen && (!supersedes(last, bar) || isSame(last, bar))) {
    return { bars, changedFrom: null };
  }
  const kept = isOpen ? bars.slice(0, -1) : bars;
  return { bars: [...kept, bar], changedFrom: bar.time };
}

/** @param {Bar} a @param {Bar} b */
function isSame(a, b) {
  return (
    a.open === b.open && a.high === b.high && a.low === b.low && a.close === b.close &&
    a.ticks === b.ticks && a.rev === b.rev && a.complete === b.complete
  );
}

/** Return the query of the page before the oldest bar (of the newest page if there is
 * no bar yet).
 * @param {{symbol: string, broker: string, timeframe: string, price: string}} choice
 * @param {readonly Bar[]} bars
 * @param {number} count */
export function pageQuery(choice, bars, count) {
  const query = new URLSearchParams({ ...choice, fields: "full", countback: String(count) });
  if (bars.length) query.set("to", String(bars[0].time - 1));
  return query;
}

/** Return the query of everything since a time in Unix seconds.
 * @param {{symbol: string, broker: string, timeframe: string, price: string}} choice
 * @param {number} from
 * @param {number} count */
export function catchUpQuery(choice, from, count) {
  const query = new URLSearchParams({ ...choice, fields: "full", limit: String(count) });
  query.set("from", String(from));
  return query;
}

/** Return the time in seconds from which live candles must be asked for: that of the
 * oldest bar at the end that is not complete, else of the newest; null without bars.
 * @param {readonly Bar[]} bars */
export function sinceTime(bars) {
  let index = bars.length - 1;
  while (index > 0 && !bars[index].complete && !bars[index - 1].complete) index--;
  return bars.length ? bars[index].time : null;
}
