import assert from "node:assert/strict";
import test from "node:test";

import { INITIAL, step } from "../../../static/page/connection.js";

/** Take events one after another; return the last state and the effects of the last. */
function after(...events) {
  let state = INITIAL;
  let effects = [];
  for (const event of events) ({ state, effects } = step(state, event, () => 1));
  return { state, effects };
}

const START = { type: "start" };
const OPENED = { type: "opened" };
const CLOSED = { type: "closed", code: 1006 };
const WAITED = { type: "waited" };

test("a start connects, once", () => {
  assert.deepEqual(after(START).effects, [{ do: "connect" }]);
  assert.deepEqual(after(START, START).effects, []);
});

test("each connection subscribes", () => {
  const again = after(START, OPENED, CLOSED, WAITED, OPENED);

  assert.deepEqual(again.effects, [{ do: "subscribe" }]);
  assert.equal(again.state.phase, "open");
});

test("waits grow up to half a minute, and data make them short again", () => {
  const rounds = (count) => Array(count).fill([CLOSED, WAITED]).flat();
  const wait = (...events) => after(START, ...events, CLOSED).effects[0].ms;

  assert.deepEqual([wait(), wait(...rounds(1)), wait(...rounds(2))], [500, 1000, 2000]);
  assert.equal(wait(...rounds(20)), 30_000);
  const data = { type: "frame", frame: { type: "data" } };
  assert.equal(wait(...rounds(20), OPENED, data), 500);
});

test("a connection that only welcomes does not make waits short", () => {
  const welcome = { type: "frame", frame: { type: "status" } };

  const { effects } = after(START, CLOSED, WAITED, OPENED, welcome, CLOSED);

  assert.deepEqual(effects, [{ do: "wait", ms: 1000 }]);
});

test("a server that stops says how long to wait", () => {
  const shutdown = { type: "frame", frame: { type: "status", code: "SHUTDOWN", reconnect_after_ms: 7300 } };

  const { state, effects } = after(START, OPENED, shutdown, { type: "closed", code: 1001 });

  assert.deepEqual(effects, [{ do: "wait", ms: 7300 }]);
  assert.equal(state.phase, "waiting");
});

test("codes from 4500 on are not tried again until a person says so", () => {
  const refused = after(START, OPENED, { type: "closed", code: 4503, reason: "too many" });

  assert.deepEqual([refused.state.phase, refused.state.reason, refused.effects], ["refused", "too many", []]);
  assert.deepEqual(step(refused.state, { type: "online" }).effects, []);
  assert.deepEqual(step(refused.state, { type: "retry" }).effects, [{ do: "connect" }]);
});

test("silence gives the connection up", () => {
  assert.deepEqual(after(START, OPENED, { type: "silent" }).effects, [{ do: "close" }]);
});

test("a network that is back ends the wait", () => {
  assert.deepEqual(after(START, CLOSED, { type: "online" }).effects, [{ do: "connect" }]);
  assert.deepEqual(after(START, OPENED, { type: "online" }).effects, []);
});
