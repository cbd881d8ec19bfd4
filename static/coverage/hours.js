// What is known of the hours of a month, as the map shows and says it; pure.

/**
 * @typedef {{hour: number, state: string, rows: number}} Hour its start in Unix seconds
 * @typedef {{from: number, to: number, reason: string, type?: string}} Gap `to` excluded
 * @typedef {{hours: Hour[], gaps: Gap[]}} Coverage answer of `/api/coverage`
 * @typedef {{hour: number, state: string, rows: number, level: number, gaps: Gap[]}} Cell
 * @typedef {{name: string, from: number, to: number}} Month `2019-02`, `to` excluded
 */

export const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;
export const LEVELS = 5;

// In the legend's order: what is had, what need not be, what an import should get.
export const STATES = [
  { state: "stored", word: "ok", meaning: "the more ticks, the stronger" },
  { state: "closed", word: "closed", meaning: "the market is closed: week end" },
  { state: "holiday", word: "holiday", meaning: "Christmas Day or New Year's Day" },
  { state: "empty", word: "no ticks", meaning: "the archive has none: holiday or break" },
  { state: "dropped", word: "dropped", meaning: "had once, removed by the retention" },
  { state: "suspect", word: "suspect", meaning: "no ticks while the market was open" },
  { state: "missing", word: "missing", meaning: "never had" },
  { state: "failed", word: "failed", meaning: "no good file was to be had" },
  { state: "gap", word: "feed gap", meaning: "the live feed missed some of the hour" },
  { state: "future", word: "not over", meaning: "yet to come, or still running" },
];
const WORDS = new Map(STATES.map(({ state, word }) => [state, word]));
const HOLIDAYS = new Set(["12-25", "01-01"]);
const WANTED = new Set(["missing", "failed", "suspect"]);

/** @param {number} time Unix seconds @returns {string} `2019-02-04 13:00` */
export function textOf(time) {
  return new Date(time * 1000).toISOString().slice(0, 16).replace("T", " ");
}

/** @param {number} time Unix seconds @returns {string} `2019-02-04` */
export function dayOf(time) {
  return textOf(time).slice(0, 10);
}

/** @param {number} count */
export function withCommas(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** @param {number} year @returns {Month[]} the twelve, in order */
export function monthsOf(year) {
  return Array.from({ length: 12 }, (_, index) => ({
    name: `${year}-${String(index + 1).padStart(2, "0")}`,
    from: Date.UTC(year, index) / 1000,
    to: Date.UTC(year, index + 1) / 1000,
  }));
}

/** @param {string} name `2019-02` @returns {Month} */
export function monthNamed(name) {
  return monthsOf(Number(name.slice(0, 4)))[Number(name.slice(5)) - 1];
}

/** Return the part of a month whose hours are over, null if there is none.
 * @param {Month} month @param {number} now Unix seconds
 * @returns {{from: number, to: number} | null} */
export function pastOf(month, now) {
  const to = Math.min(month.to, now - (now % HOUR_S));
  return to > month.from ? { from: month.from, to } : null;
}

/** Return coverage in which missing hours of the two days on which all but crypto rest
 * are a holiday, from 17:00 New York of the day before: in winter 22:00 UTC.
 * @param {Coverage} coverage @param {string} type of the instrument
 * @returns {Coverage} */
export function withHolidays(coverage, type) {
  if (type === "crypto") return coverage;
  const isHoliday = (/** @type {Hour} */ { hour, state }) =>
    state === "missing" && HOLIDAYS.has(dayOf(hour + 2 * HOUR_S).slice(5));
  const hours = coverage.hours.map((item) => (isHoliday(item) ? { ...item, state: "holiday" } : item));
  return { ...coverage, hours };
}

/** Return the days of a month with 24 cells each; hours that coverage lacks are not over.
 * @param {Month} month @param {Coverage | null} coverage
 * @returns {{day: string, cells: Cell[]}[]} */
export function daysOf(month, coverage) {
  const hours = new Map((coverage?.hours ?? []).map((item) => [item.hour, item]));
  const gaps = feedGaps(coverage);
  const most = Math.max(1, ...(coverage?.hours ?? []).map(({ rows }) => rows));
  const days = [];
  for (let day = month.from; day < month.to; day += DAY_S) {
    const cells = Array.from({ length: 24 }, (_, index) => {
      const hour = day + index * HOUR_S;
      const { state, rows } = hours.get(hour) ?? { state: "future", rows: 0 };
      const level = state === "stored" ? levelOf(rows, most) : 0;
      return { hour, state, rows, level, gaps: gaps.filter((gap) => touches(gap, hour)) };
    });
    days.push({ day: dayOf(day), cells });
  }
  return days;
}

/** Return 1 to LEVELS. The root keeps quiet hours apart, which most are.
 * @param {number} rows @param {number} most rows of the fullest hour beside it */
export function levelOf(rows, most) {
  return Math.max(1, Math.ceil(Math.sqrt(Math.min(1, rows / most)) * LEVELS));
}

/** Return what a live feed never got; other gaps repeat what the hours say.
 * @param {Coverage | null} coverage @returns {Gap[]} */
export function feedGaps(coverage) {
  return (coverage?.gaps ?? []).filter((gap) => gap.type);
}

/** @param {Gap} gap @param {number} hour */
function touches(gap, hour) {
  return gap.from < hour + HOUR_S && gap.to > hour;
}

/** Return the text of an hour: `2019-02-04 13:00 UTC: 5,812 ticks, ok`.
 * @param {Cell} cell */
export function describeCell({ hour, state, rows, gaps }) {
  const count = rows ? `${withCommas(rows)} ${rows === 1 ? "tick" : "ticks"}, ` : "";
  const word = state === "stored" && gaps.length ? "with a gap" : WORDS.get(state) ?? state;
  const lost = gaps.map((gap) => `; ${describeGap(gap)}`).join("");
  return `${textOf(hour)} UTC: ${count}${word}${lost}`;
}

/** Return the text of a gap: `no ticks from 13:05:10 to 13:06:00, connection lost`.
 * @param {Gap} gap */
export function describeGap({ from, to, reason, type }) {
  const [start, end] = [from, to].map((time) => new Date(time * 1000).toISOString().slice(0, 19));
  const last = start.slice(0, 10) === end.slice(0, 10) ? end.slice(11) : end.replace("T", " ");
  return `no ${type}s from ${start.slice(11)} to ${last}${reason ? `, ${reason}` : ""}`;
}

/** Return the hours of a month by state, and by `gap` those that a feed's gap touches.
 * @param {Month} month @param {Coverage | null} coverage
 * @returns {Map<string, number>} */
export function countStates(month, coverage) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  const add = (/** @type {string} */ state) => counts.set(state, (counts.get(state) ?? 0) + 1);
  for (const { cells } of daysOf(month, coverage)) {
    for (const { state, gaps } of cells) {
      add(state);
      if (gaps.length) add("gap");
    }
  }
  return counts;
}

/** Return how many hours an import should still get.
 * @param {Map<string, number>} counts */
export function countWanted(counts) {
  return [...counts].reduce((sum, [state, count]) => sum + (WANTED.has(state) ? count : 0), 0);
}

/** Return a month in few words: `480 of 504 hours`, of those that should have ticks.
 * @param {Map<string, number>} counts */
export function describeMonth(counts) {
  const had = (counts.get("stored") ?? 0) + (counts.get("dropped") ?? 0);
  const wanted = countWanted(counts);
  if (!had && !wanted) return "no hours";
  return `${withCommas(had)} of ${withCommas(had + wanted)} hours`;
}
