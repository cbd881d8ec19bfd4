import assert from "node:assert/strict";
import test from "node:test";

import {
  barOfFrame, barOfRow, catchUpQuery, merge, pageQuery, sinceTime, supersedes,
} from "../../../static/page/series.js";

const CHOICE = { symbol: "EURUSD", broker: "simulated", timeframe: "1m", price: "mid" };

function bar(time, changes = {}) {
  return { time, open: 1, high: 2, low: 0.5, close: 1.5, ticks: 10, rev: 0, complete: true, ...changes };
}

test("bars of REST and of live frames are the same", () => {
  const row = { ...bar(1795275420), volume: 3 };
  const data = { open: 1, high: 2, low: 0.5, close: 1.5, ticks: 10, rev: 0, final: true, volume: 3, period: "1m" };
  const frame = { type: "data", data: { type: "candle", timestamp: 1795275420000, data } };

  assert.deepEqual(barOfRow(row), barOfFrame(frame));
});

test("a page that was read before a live frame does not undo it", () => {
  const live = bar(60, { ticks: 12, complete: false, close: 1.7 });
  const late = bar(60, { ticks: 11, complete: false });

  assert.equal(supersedes(live, late), false);
  assert.deepEqual(merge([live], [late]), { bars: [live], changedFrom: null });
});

test("a complete candle replaces the open one, a higher revision any", () => {
  const open = bar(60, { complete: false });
  const complete = bar(60);
  const revised = bar(60, { rev: 1, complete: false, ticks: 1 });

  assert.deepEqual(merge([open], [complete]).bars, [complete]);
  assert.deepEqual(merge([complete], [open]).bars, [complete]);
  assert.deepEqual(merge([complete], [revised]).bars, [revised]);
});

test("an older page goes before what is there, without a seam", () => {
  const there = [bar(180), bar(240)];

  const { bars, changedFrom } = merge(there, [bar(60), bar(120), bar(180)]);

  assert.deepEqual(bars.map((item) => item.time), [60, 120, 180, 240]);
  assert.equal(changedFrom, 60);
  assert.deepEqual(there.map((item) => item.time), [180, 240]);
});

test("a live candle of a new bucket is appended, of the open one replaced", () => {
  const first = merge([], [bar(60, { complete: false })]);
  const second = merge(first.bars, [bar(60, { complete: false, ticks: 11 })]);
  const third = merge(second.bars, [bar(120, { complete: false })]);

  assert.deepEqual(third.bars.map((item) => [item.time, item.ticks]), [[60, 11], [120, 10]]);
  assert.deepEqual([first.changedFrom, second.changedFrom, third.changedFrom], [60, 60, 120]);
});

test("what is the same already changes nothing", () => {
  const there = [bar(60), bar(120)];

  const result = merge(there, [bar(120)]);

  assert.equal(result.changedFrom, null);
  assert.equal(result.bars, there);
});

test("any order of pages and frames gives the same series", () => {
  const states = [
    bar(60, { complete: false, ticks: 5 }), bar(60, { complete: false, ticks: 9 }), bar(60),
    bar(120, { complete: false, ticks: 1 }), bar(120), bar(120, { rev: 2 }), bar(180, { complete: false }),
  ];
  const want = [bar(60), bar(120, { rev: 2 }), bar(180, { complete: false })];
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;

  for (let round = 0; round < 200; round++) {
    const left = [...states];
    let bars = [];
    while (left.length) {
      const some = left.splice(Math.floor(random() * left.length), 1 + Math.floor(random() * 3));
      bars = merge(bars, some).bars;
    }
    assert.deepEqual(bars, want);
  }
});

test("the page before is asked up to the second before the oldest bar", () => {
  assert.equal(pageQuery(CHOICE, [], 500).get("to"), null);
  assert.equal(pageQuery(CHOICE, [bar(600)], 500).get("to"), "599");
  assert.equal(pageQuery(CHOICE, [], 500).get("countback"), "500");
});

test("live candles go on from the oldest one at the end that was not complete", () => {
  const bars = [bar(60), bar(120, { complete: false }), bar(180, { complete: false })];

  assert.equal(sinceTime(bars), 120);
  assert.equal(sinceTime([bar(60), bar(120)]), 120);
  assert.equal(sinceTime([]), null);
  assert.equal(catchUpQuery(CHOICE, 120, 10).get("from"), "120");
});
