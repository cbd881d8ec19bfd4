import assert from "node:assert/strict";
import test from "node:test";

import { describeHoles, holesOf, marksOf, pieces, withoutFilled } from "../../../static/page/holes.js";

const H = 3600;
const HISTORY = { price: "mid", isLive: false, begins: null };

test("hours of one bad state are one hole; closed and empty hours are none", () => {
  const states = ["stored", "missing", "missing", "failed", "closed", "empty", "missing"];
  const hours = states.map((state, index) => ({ hour: index * H, state }));
  const repeated = { from: H, to: 3 * H, reason: "missing" };
  const gaps = [{ from: 100, to: 130, reason: "connection lost" }, repeated];

  assert.deepEqual(holesOf({ hours, gaps }, HISTORY), [
    { from: 100, to: 130, reason: "connection lost" },
    { from: H, to: 3 * H, reason: "missing" },
    { from: 3 * H, to: 4 * H, reason: "failed" },
    { from: 6 * H, to: 7 * H, reason: "missing" },
  ]);
});

test("a hole is marked at the first bar that ends after its start", () => {
  const bars = [0, 60, 300, 360].map((time) => ({ time }));
  const hole = { from: 120, to: 300, reason: "gap" };

  assert.deepEqual(marksOf(bars, [hole], 60), [{ time: 300, holes: [hole] }]);
});

test("an hour with bars is not missing, whatever coverage says", () => {
  const bars = [0, H + 60, 4 * H].map((time) => ({ time }));
  const hole = { from: 0, to: 4 * H, reason: "missing" };

  const rest = { from: 2 * H, to: 4 * H, reason: "missing" };
  assert.deepEqual(withoutFilled(bars, [hole]), [rest]);
  assert.deepEqual(marksOf(bars, [hole], 60), [{ time: 4 * H, holes: [rest] }]);
});

test("a hole inside a bucket marks it, several there are one mark", () => {
  const bars = [0, 86_400].map((time) => ({ time }));
  const holes = [H, 5 * H].map((from) => ({ from, to: from + H, reason: "missing" }));

  assert.deepEqual(marksOf(bars, holes, 86_400), [{ time: 0, holes }]);
  assert.equal(describeHoles(holes), "2 h missing");
});

test("gaps are those of the records that the prices are made of", () => {
  const gaps = ["tick", "trade"].map((type) => ({ from: 10, to: 20, reason: "feed not running", type }));
  const [tick, trade] = gaps.map(({ from, to, reason }) => ({ from, to, reason }));

  assert.deepEqual(holesOf({ hours: [], gaps: gaps.slice(0, 1) }, HISTORY), [tick]);
  assert.deepEqual(holesOf({ hours: [], gaps: gaps.slice(0, 1) }, { ...HISTORY, price: "trade" }), []);
  assert.deepEqual(holesOf({ hours: [], gaps: gaps.slice(1) }, { ...HISTORY, price: "trade" }), [trade]);
});

test("nothing is missing of a live series before it begins, nor in hours not counted yet", () => {
  const states = ["missing", "missing", "stored", "missing", "stored", "closed", "missing"];
  const hours = states.map((state, index) => ({ hour: index * H, state }));
  const live = { price: "mid", isLive: true, begins: H + 60 };
  const holes = [1, 3].map((hour) => ({ from: hour * H, to: (hour + 1) * H, reason: "missing" }));

  assert.deepEqual(holesOf({ hours, gaps: [] }, live), holes);
});

test("what two tell is missing once", () => {
  const holes = [{ from: 0, to: 30, reason: "gap" }, { from: 10, to: 40, reason: "gap" }];

  assert.equal(describeHoles(holes), "40 s gap");
});

test("holes before the first and after the last bar are not marked", () => {
  const bars = [600, 660].map((time) => ({ time }));
  const holes = [{ from: 0, to: 600, reason: "missing" }, { from: 720, to: 800, reason: "missing" }];

  assert.deepEqual(marksOf(bars, holes, 60), []);
  assert.deepEqual(marksOf([], holes, 60), []);
});

test("long ranges are asked in pieces of a year, newest first", () => {
  const year = 365 * 86_400;

  assert.deepEqual(pieces(0, year + 5), [{ from: 5, to: year + 5 }, { from: 0, to: 5 }]);
  assert.deepEqual(pieces(5, 5), []);
});
