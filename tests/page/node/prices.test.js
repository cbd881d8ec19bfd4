import assert from "node:assert/strict";
import test from "node:test";

import { direction, formatAge, formatPrice, formatSpread } from "../../../static/page/prices.js";

test("prices have the instrument's decimals", () => {
  assert.equal(formatPrice(1.1, 5), "1.10000");
  assert.equal(formatPrice(null, 5), "–");
});

test("spreads of forex are pips, of others prices", () => {
  assert.equal(formatSpread(1.08287, 1.08295, 5, "forex"), "0.8");
  assert.equal(formatSpread(156.342, 156.353, 3, "forex"), "1.1");
  assert.equal(formatSpread(99970.93, 99977.93, 2, "crypto"), "7.00");
  assert.equal(formatSpread(null, 1, 2, "crypto"), "–");
});

test("ages are short", () => {
  const ages = [null, -300, 400, 9_940, 12_000, 180_000, 7_200_000, 259_200_000];

  assert.deepEqual(ages.map(formatAge), ["–", "0.0 s", "0.4 s", "9.9 s", "12 s", "3 min", "2 h", "3 d"]);
});

test("a price went up, down or nowhere", () => {
  assert.deepEqual([direction(1, 2), direction(2, 1), direction(1, 1), direction(null, 1)], ["up", "down", "", ""]);
});
