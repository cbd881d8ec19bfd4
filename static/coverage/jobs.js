// Import jobs in words, and what can be done with them; pure.

/**
 * @typedef {{id: number, kind: string, symbol: string, from: number, to: number,
 *   state: string, is_stopping: boolean, hours_done: number, hours_total: number,
 *   ticks: number, holes: number, hole_list: string[], detail: string,
 *   requested_by: string, queued_at: number}} Job times in Unix seconds
 * @typedef {{job: Job, from: number, to: number, isOver: boolean}} Change `to` excluded
 */

import { dayOf, HOUR_S, withCommas } from "./hours.js";

// A worker takes a job up at once, unless all are at work or none runs.
const PATIENCE_S = 15;
// An import looks back so far for hours that are suspect.
const AROUND_S = 4 * 24 * HOUR_S;
const ACTIVE = new Set(["queued", "running"]);
const WORDS = new Map([
  ["queued", "waits for a worker"],
  ["running", "at work"],
  ["done", "done"],
  ["holes", "done, with holes"],
  ["failed", "failed"],
  ["stopped", "stopped"],
]);

/** @param {Job} job */
export function isActive(job) {
  return ACTIVE.has(job.state);
}

/** Return what can be asked of a job: `stop`, `retry` or nothing.
 * @param {Job} job */
export function verbOf(job) {
  if (isActive(job)) return job.is_stopping ? "" : "stop";
  return "retry";
}

/** @param {Job} job */
export function titleOf({ from, to }) {
  const [first, last] = [dayOf(from), dayOf(to - 1)];
  return first === last ? first : `${first} to ${last}`;
}

/** Return how a job goes, in words.
 * @param {Job} job @param {number} now Unix seconds */
export function describeJob(job, now) {
  const parts = [job.is_stopping ? "stops after this day" : WORDS.get(job.state) ?? job.state];
  parts.push(`${withCommas(job.hours_done)} of ${withCommas(job.hours_total)} h`);
  if (job.ticks) parts.push(`${withCommas(job.ticks)} ticks`);
  if (job.holes) parts.push(`${withCommas(job.holes)} h not to be had`);
  const text = parts.join(" · ");
  if (job.detail) return `${text} · ${job.detail}`;
  const isForgotten = job.state === "queued" && !job.hours_done && now - job.queued_at > PATIENCE_S;
  return isForgotten ? `${text} · no worker of the queue “imports” is free or running` : text;
}

/** Return what jobs changed between two looks at the list: the days that a running one
 * is through with since, all of one that has ended.
 * @param {readonly Job[]} before @param {readonly Job[]} after
 * @returns {Change[]} */
export function changesOf(before, after) {
  const known = new Map(before.map((job) => [job.id, job]));
  return after.flatMap((job) => {
    const old = known.get(job.id);
    if (!old || (old.hours_done === job.hours_done && old.state === job.state)) return [];
    const change = { job, from: job.from, to: job.to, isOver: !isActive(job) };
    if (change.isOver) return [change];
    const [from, to] = [old, job].map(({ hours_done }) => job.from + hours_done * HOUR_S);
    return from < to ? [{ ...change, from: Math.max(job.from, from - AROUND_S), to }] : [];
  });
}
