// The WebSocket: performs what connection.js decides.

import { INITIAL, SILENCE_MS, step } from "./connection.js";

/** @typedef {import("./connection.js").Event} Event */

export class Socket extends EventTarget {
  /** Events: `state` (detail: State), `frame` (detail: a parsed frame that is no data).
   * @param {string} url @param {() => object[]} requests what to ask for once connected */
  constructor(url, requests) {
    super();
    this.state = INITIAL;
    this._url = url;
    this._requests = requests;
    /** @type {WebSocket | null} */
    this._socket = null;
    this._wait = 0;
    this._heardMs = 0;
    /** Called with each frame of data, hundreds a second: an event would cost more. */
    this.onData = (/** @type {any} */ _frame) => {};
    setInterval(() => this._listen(), SILENCE_MS / 10);
    addEventListener("online", () => this.dispatch({ type: "online" }));
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.dispatch({ type: "online" });
    });
  }

  /** @param {object} request sent if connected; else the next connection asks anew */
  send(request) {
    if (this.state.phase === "open") this._socket?.send(JSON.stringify(request));
  }

  /** @param {Event} event */
  dispatch(event) {
    const { state, effects } = step(this.state, event);
    const hasChanged = state !== this.state;
    this.state = state;
    for (const effect of effects) this._perform(effect);
    if (hasChanged) this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }

  /** @param {import("./connection.js").Effect} effect */
  _perform(effect) {
    switch (effect.do) {
      case "connect":
        clearTimeout(this._wait);
        this._connect();
        break;
      case "subscribe":
        for (const request of this._requests()) this.send(request);
        break;
      case "close":
        this._drop(1006, "nothing came for a while");
        break;
      case "wait":
        clearTimeout(this._wait);
        this._wait = setTimeout(() => this.dispatch({ type: "waited" }), effect.ms);
    }
  }

  _connect() {
    const socket = new WebSocket(this._url);
    this._socket = socket;
    // A socket that was given up still tells its end later: not ours any more.
    const ifCurrent = (/** @type {(event: any) => void} */ handle) => (/** @type {any} */ event) => {
      if (this._socket === socket) handle(event);
    };
    socket.onopen = ifCurrent(() => {
      this._heardMs = performance.now();
      this.dispatch({ type: "opened" });
    });
    socket.onmessage = ifCurrent(({ data }) => {
      this._heardMs = performance.now();
      const frame = JSON.parse(data);
      if (frame.type === "data") this.onData(frame);
      // Of data only the first after a loss changes the state.
      if (frame.type === "data" && !this.state.failures) return;
      this.dispatch({ type: "frame", frame });
      if (frame.type !== "data") this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
    });
    socket.onclose = ifCurrent(({ code, reason }) => this._drop(code, reason));
  }

  _listen() {
    const isSilent = performance.now() - this._heardMs > SILENCE_MS;
    if (isSilent && this.state.phase === "open") this.dispatch({ type: "silent" });
  }

  /** @param {number} code @param {string} reason */
  _drop(code, reason) {
    const socket = this._socket;
    this._socket = null;
    socket?.close();
    this.dispatch({ type: "closed", code, reason });
  }
}
