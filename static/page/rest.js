// Reading REST; the key, if the person gave one, goes along.

export class RestError extends Error {
  /** @param {number} status @param {string} code @param {string} text */
  constructor(status, code, text) {
    super(text);
    this.status = status;
    this.code = code;
  }
}

export class Rest {
  constructor() {
    /** @type {string | null} */
    this.key = null;
  }

  /** Return the answer's JSON. Raises RestError, or TypeError if nothing answers.
   * @param {string} path @param {AbortSignal} [signal] */
  async read(path, signal) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    const response = await fetch(path, { headers, signal, credentials: "omit" });
    const body = await response.json().catch(() => ({}));
    if (response.ok) return body;
    throw new RestError(response.status, body.code ?? "", body.error ?? response.statusText);
  }

  /** The same, tried again while the server cannot be reached or is busy.
   * @param {string} path @param {AbortSignal} [signal] */
  async readPatiently(path, signal) {
    for (let failures = 0; ; failures++) {
      try {
        return await this.read(path, signal);
      } catch (error) {
        const isFinal = error instanceof RestError && error.status < 500 && error.status !== 429;
        if (isFinal || signal?.aborted) throw error;
        const ms = Math.min(500 * 2 ** failures, 15_000);
        await new Promise((done) => setTimeout(done, ms));
        signal?.throwIfAborted();
      }
    }
  }
}
