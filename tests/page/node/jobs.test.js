import assert from "node:assert/strict";
import { test } from "node:test";

import { changesOf, describeJob, titleOf, verbOf } from "../../../static/coverage/jobs.js";

const FROM = Date.UTC(2019, 1, 1) / 1000;
const DAY = 86400;

function job(changes = {}) {
  return {
    id: 1, kind: "import", symbol: "EURUSD", from: FROM, to: FROM + 10 * DAY, state: "running",
    is_stopping: false, hours_done: 24, hours_total: 240, ticks: 136741, holes: 0, hole_list: [],
    detail: "", requested_by: "boss", queued_at: FROM, ...changes,
  };
}

test("a job is named after its days, both included", () => {
  assert.equal(titleOf(job()), "2019-02-01 to 2019-02-10");
  assert.equal(titleOf(job({ to: FROM + DAY })), "2019-02-01");
});

test("a job tells how far it is", () => {
  assert.equal(describeJob(job(), 0), "at work · 24 of 240 h · 136,741 ticks");
  assert.equal(
    describeJob(job({ state: "holes", hours_done: 240, holes: 2 }), 0),
    "done, with holes · 240 of 240 h · 136,741 ticks · 2 h not to be had",
  );
  assert.equal(
    describeJob(job({ state: "failed", detail: "no such folder" }), 0),
    "failed · 24 of 240 h · 136,741 ticks · no such folder",
  );
  assert.match(describeJob(job({ is_stopping: true }), 0), /^stops after this day · /);
});

test("a job that nobody takes up says what may be wrong, but not at once", () => {
  const queued = job({ state: "queued", hours_done: 0, ticks: 0 });

  assert.equal(describeJob(queued, FROM + 10), "waits for a worker · 0 of 240 h");
  assert.match(describeJob(queued, FROM + 16), /no worker of the queue “imports” is free or running$/);
});

test("active jobs can be stopped once, ended ones tried again", () => {
  assert.deepEqual(
    [{}, { state: "queued" }, { is_stopping: true }, { state: "done" }, { state: "stopped" }]
      .map((changes) => verbOf(job(changes))),
    ["stop", "stop", "", "retry", "retry"],
  );
});

test("what changed of a running job is the days since, and four before them", () => {
  const [change] = changesOf([job({ hours_done: 144 })], [job({ hours_done: 168 })]);

  assert.deepEqual([change.from, change.to, change.isOver], [FROM + 2 * DAY, FROM + 7 * DAY, false]);
});

test("what changed of a job that has ended is all of it", () => {
  const [change] = changesOf([job()], [job({ state: "stopped" })]);

  assert.deepEqual([change.from, change.to, change.isOver], [FROM, FROM + 10 * DAY, true]);
});

test("jobs that are new, as before, or begun again changed nothing", () => {
  assert.deepEqual(changesOf([], [job()]), []);
  assert.deepEqual(changesOf([job()], [job()]), []);
  assert.deepEqual(changesOf([job({ state: "done" })], [job({ state: "queued", hours_done: 0 })]), []);
});
