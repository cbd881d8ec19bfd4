import assert from "node:assert/strict";
import { test } from "node:test";

import {
  countStates, countWanted, daysOf, describeCell, describeMonth, levelOf, monthNamed, monthsOf, pastOf, withHolidays,
} from "../../../static/coverage/hours.js";

const FEB = monthNamed("2019-02");
const MON_4 = Date.UTC(2019, 1, 4) / 1000;
const at = (/** @type {number} */ hour) => MON_4 + hour * 3600;

function coverage() {
  return {
    hours: [
      { hour: at(12), state: "stored", rows: 100 },
      { hour: at(13), state: "stored", rows: 5812 },
      { hour: at(14), state: "missing", rows: 0 },
      { hour: at(15), state: "suspect", rows: 0 },
      { hour: at(16), state: "failed", rows: 0 },
      { hour: at(17), state: "empty", rows: 0 },
      { hour: at(18), state: "closed", rows: 0 },
      { hour: at(19), state: "dropped", rows: 0 },
    ],
    gaps: [
      { from: at(14), to: at(15), reason: "missing" },
      { from: at(12) + 10, to: at(12) + 60, reason: "connection lost", type: "tick" },
    ],
  };
}

test("a year has twelve months that meet, and February of leap years 29 days", () => {
  const months = monthsOf(2020);

  assert.deepEqual(months.map(({ name }) => name).slice(0, 2), ["2020-01", "2020-02"]);
  assert.equal(months.length, 12);
  assert.ok(months.slice(1).every(({ from }, index) => from === months[index].to));
  assert.equal(daysOf(months[1], null).length, 29);
});

test("a month is asked for up to the last full hour, and not before it begins", () => {
  assert.deepEqual(pastOf(FEB, at(13) + 59), { from: FEB.from, to: at(13) });
  assert.deepEqual(pastOf(FEB, FEB.to + 7), { from: FEB.from, to: FEB.to });
  assert.equal(pastOf(FEB, FEB.from + 3599), null);
});

test("each hour of each day has a cell; what coverage does not tell is not over", () => {
  const days = daysOf(FEB, coverage());
  const monday = days[3];

  assert.deepEqual([days.length, days[0].day, monday.day], [28, "2019-02-01", "2019-02-04"]);
  assert.ok(days.every(({ cells }) => cells.length === 24));
  assert.deepEqual(
    monday.cells.slice(11, 21).map(({ state }) => state),
    ["future", "stored", "stored", "missing", "suspect", "failed", "empty", "closed", "dropped", "future"],
  );
});

test("levels are of stored hours alone, from 1 to 5, beside the fullest", () => {
  const cells = daysOf(FEB, coverage())[3].cells;

  assert.deepEqual(cells.slice(12, 15).map(({ level }) => level), [1, 5, 0]);
  assert.deepEqual([1, 40, 160, 400, 1000].map((rows) => levelOf(rows, 1000)), [1, 1, 2, 4, 5]);
});

test("an hour is told with its time, its ticks and its state", () => {
  const cells = daysOf(FEB, coverage())[3].cells;

  assert.equal(describeCell(cells[13]), "2019-02-04 13:00 UTC: 5,812 ticks, ok");
  assert.equal(describeCell(cells[14]), "2019-02-04 14:00 UTC: missing");
  assert.equal(describeCell({ ...cells[13], rows: 1 }), "2019-02-04 13:00 UTC: 1 tick, ok");
});

test("an hour that a feed missed a part of says which", () => {
  const [noon] = daysOf(FEB, coverage())[3].cells.slice(12);

  assert.equal(
    describeCell(noon),
    "2019-02-04 12:00 UTC: 100 ticks, with a gap; no ticks from 12:00:10 to 12:01:00, connection lost",
  );
});

test("a gap touches each hour that it has a second of", () => {
  const gap = { from: at(9) + 3599, to: at(11), reason: "", type: "trade" };
  const cells = daysOf(FEB, { hours: [], gaps: [gap] })[3].cells;

  assert.deepEqual(cells.map(({ gaps }, hour) => (gaps.length ? hour : 0)).filter(Boolean), [9, 10]);
});

test("counts are of all hours of the month, gaps beside them", () => {
  const counts = countStates(FEB, coverage());

  assert.deepEqual(Object.fromEntries(counts), {
    stored: 2, missing: 1, suspect: 1, failed: 1, empty: 1, closed: 1, dropped: 1, gap: 1, future: 664,
  });
  assert.equal(countWanted(counts), 3);
  assert.equal(describeMonth(counts), "3 of 6 hours");
});

test("missing hours of Christmas and New Year are a holiday, but for crypto", () => {
  const eve = Date.UTC(2019, 11, 24, 21) / 1000;
  const hours = [0, 1, 24, 25].map((after) => ({ hour: eve + after * 3600, state: "missing", rows: 0 }));
  hours.push({ hour: eve + 2 * 3600, state: "stored", rows: 7 });
  hours.push({ hour: Date.UTC(2020, 0, 1, 12) / 1000, state: "missing", rows: 0 });
  const states = (/** @type {string} */ type) =>
    withHolidays({ hours, gaps: [] }, type).hours.map(({ state }) => state);

  assert.deepEqual(states("forex"), ["missing", "holiday", "holiday", "missing", "stored", "holiday"]);
  assert.deepEqual(states("crypto"), ["missing", "missing", "missing", "missing", "stored", "missing"]);
});

test("a month without a market says so", () => {
  assert.equal(describeMonth(new Map([["closed", 48]])), "no hours");
});
