// Where data are missing in a series of candles; pure.

/**
 * @typedef {{from: number, to: number, reason: string}} Hole in Unix seconds, `to` excluded
 * @typedef {{hours: {hour: number, state: string}[], gaps: {from: number, to: number, reason: string, type?: string}[]}} Coverage
 * @typedef {{price: string, isLive: boolean, begins: number | null}} Of
 *   of which prices, whether of a feed that runs, the time of the first record ever
 */

const HOUR_S = 3600;
// States of an hour that ought to have data; `closed` and `empty` ought not.
const BAD = new Set(["missing", "failed", "suspect", "dropped"]);

/** Return the holes that `/api/coverage` tells: hours of one bad state joined, and the
 * gaps of these prices' feed. Nothing is missing before a series begins, nor, of a feed
 * that runs, in the newest hours that nothing is known of: they are not counted yet.
 * @param {Coverage} coverage @param {Of} of
 * @returns {Hole[]} */
export function holesOf(coverage, { price, isLive, begins }) {
  const type = price === "trade" ? "trade" : "tick";
  const known = coverage.hours.findLastIndex(({ state }) => state !== "missing" && state !== "closed");
  /** @type {Hole[]} */
  const holes = [];
  for (const [index, { hour, state }] of coverage.hours.entries()) {
    const last = holes.at(-1);
    if (!BAD.has(state)) continue;
    if (state === "missing" && isLive && index > known) continue;
    if (state === "missing" && begins != null && hour + HOUR_S <= begins) continue;
    if (last && last.to === hour && last.reason === state) last.to = hour + HOUR_S;
    else holes.push({ from: hour, to: hour + HOUR_S, reason: state });
  }
  const gaps = coverage.gaps
    .filter((gap) => gap.type ? gap.type === type : !BAD.has(gap.reason))
    .map(({ from, to, reason }) => ({ from, to, reason: reason || "gap" }));
  return [...holes, ...gaps].sort((a, b) => a.from - b.from);
}

/** Return the holes without those missing hours in which there are bars after all:
 * coverage may know of imports alone, and a feed's hours have no import.
 * @param {readonly {time: number}[]} bars ascending, none longer than an hour
 * @param {readonly Hole[]} holes
 * @returns {Hole[]} */
export function withoutFilled(bars, holes) {
  const filled = new Set(bars.map(({ time }) => Math.floor(time / HOUR_S)));
  return holes.flatMap((hole) => {
    if (hole.reason !== "missing") return [hole];
    /** @type {Hole[]} */
    const left = [];
    for (let from = hole.from; from < hole.to; from += HOUR_S) {
      const last = left.at(-1);
      if (filled.has(Math.floor(from / HOUR_S))) continue;
      if (last && last.to === from) last.to = from + HOUR_S;
      else left.push({ from, to: from + HOUR_S, reason: "missing" });
    }
    return left;
  });
}

/** Return a mark for each hole between the first and the last bar: at the first bar
 * that begins at or after its start (a hole inside a long bucket marks that bucket).
 * Holes of one bar become one mark.
 * @param {readonly {time: number}[]} bars ascending
 * @param {readonly Hole[]} holes ascending
 * @param {number} stepS length of a bucket
 * @returns {{time: number, holes: Hole[]}[]} */
export function marksOf(bars, holes, stepS) {
  if (!bars.length) return [];
  /** @type {Map<number, Hole[]>} */
  const marks = new Map();
  const end = /** @type {{time: number}} */ (bars.at(-1)).time + stepS;
  for (const hole of stepS > HOUR_S ? holes : withoutFilled(bars, holes)) {
    if (hole.to <= bars[0].time || hole.from >= end) continue;
    const time = (bars[firstEndingAfter(bars, hole.from, stepS)] ?? bars[bars.length - 1]).time;
    const known = marks.get(time);
    if (known) known.push(hole);
    else marks.set(time, [hole]);
  }
  return [...marks].map(([time, of]) => ({ time, holes: of })).sort((a, b) => a.time - b.time);
}

/** @param {readonly {time: number}[]} bars @param {number} time @param {number} stepS */
function firstEndingAfter(bars, time, stepS) {
  let low = 0;
  let high = bars.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bars[middle].time + stepS > time) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Return the text of a mark.
 * @param {readonly Hole[]} holes */
export function describeHoles(holes) {
  let seconds = 0;
  let end = -Infinity; // what two tell is missing once
  for (const { from, to } of [...holes].sort((a, b) => a.from - b.from)) {
    seconds += Math.max(0, to - Math.max(from, end));
    end = Math.max(end, to);
  }
  const reasons = [...new Set(holes.map((hole) => hole.reason))].join(", ");
  return `${describeLength(seconds)} ${reasons}`;
}

/** @param {number} seconds */
function describeLength(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < HOUR_S) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * HOUR_S) return `${Math.round(seconds / HOUR_S)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** Return ranges of at most a year that cover a range: coverage is asked in such pieces.
 * @param {number} from @param {number} to
 * @returns {{from: number, to: number}[]} newest first */
export function pieces(from, to) {
  const YEAR_S = 365 * 86400;
  const found = [];
  for (let end = to; end > from; end -= YEAR_S) {
    found.push({ from: Math.max(from, end - YEAR_S), to: end });
  }
  return found;
}
