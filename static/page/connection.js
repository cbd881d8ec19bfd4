// The state of the WebSocket, as values: events in, state and effects out; pure.

/**
 * @typedef {"connecting" | "open" | "waiting" | "refused"} Phase
 * @typedef {{phase: Phase, failures: number, waitMs: number | null, code: number | null, reason: string}} State
 *   `waitMs` while connected: what the server told to wait after its end
 * @typedef {{type: "start"} | {type: "opened"} | {type: "frame", frame: any}
 *   | {type: "closed", code: number, reason?: string} | {type: "silent"}
 *   | {type: "waited"} | {type: "online"} | {type: "retry"}} Event
 * @typedef {{do: "connect"} | {do: "subscribe"} | {do: "close"}
 *   | {do: "wait", ms: number}} Effect
 */

const MIN_WAIT_MS = 500;
const MAX_WAIT_MS = 30_000;
export const SILENCE_MS = 70_000; // a heartbeat comes every 30 s

/** @type {State} */
export const INITIAL = { phase: "waiting", failures: 0, waitMs: null, code: null, reason: "" };

/** Return the next state and what is to be done.
 * @param {State} state @param {Event} event
 * @param {() => number} random for the jitter of waits, 0 to 1
 * @returns {{state: State, effects: Effect[]}} */
export function step(state, event, random = Math.random) {
  switch (event.type) {
    case "start":
    case "retry":
      return isIdle(state) ? connect(state) : same(state);
    case "waited":
    case "online":
      return state.phase === "waiting" ? connect(state) : same(state);
    case "opened":
      return {
        state: { ...state, phase: "open", waitMs: null, code: null, reason: "" },
        effects: [{ do: "subscribe" }],
      };
    case "frame":
      return onFrame(state, event.frame);
    case "silent":
      return { state, effects: [{ do: "close" }] };
    case "closed":
      return onClosed(state, event.code, event.reason ?? "", random);
  }
}

/** @param {State} state */
function isIdle(state) {
  return state.phase === "waiting" || state.phase === "refused";
}

/** @param {State} state @returns {{state: State, effects: Effect[]}} */
function same(state) {
  return { state, effects: [] };
}

/** @param {State} state @returns {{state: State, effects: Effect[]}} */
function connect(state) {
  return {
    state: { ...state, phase: "connecting", waitMs: null },
    effects: [{ do: "connect" }],
  };
}

/** @param {State} state @param {any} frame @returns {{state: State, effects: Effect[]}} */
function onFrame(state, frame) {
  let next = state;
  // Only data prove that a connection is of use: one that is cut after its welcome
  // each time must not be tried at full speed.
  if (frame.type === "data" && state.failures) next = { ...next, failures: 0 };
  if (frame.code === "SHUTDOWN") next = { ...next, waitMs: frame.reconnect_after_ms };
  if (frame.type === "error" && !frame.action) next = { ...next, reason: frame.message ?? "" };
  return { state: next, effects: [] };
}

/** @param {State} state @param {number} code @param {string} reason
 * @param {() => number} random @returns {{state: State, effects: Effect[]}} */
function onClosed(state, code, reason, random) {
  const text = reason || state.reason;
  if (code >= 4500 && code <= 4999) {
    return { state: { ...state, phase: "refused", code, reason: text, waitMs: null }, effects: [] };
  }
  const cap = Math.min(MIN_WAIT_MS * 2 ** state.failures, MAX_WAIT_MS);
  const ms = Math.round(state.waitMs ?? cap * (0.5 + random() / 2));
  return {
    state: { phase: "waiting", failures: state.failures + 1, waitMs: ms, code, reason: text },
    effects: [{ do: "wait", ms }],
  };
}
