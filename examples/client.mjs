// Follow prices for ever: comes back after a loss and gets what it missed.
// Node 22 or newer, or a browser:  node client.mjs ws://127.0.0.1:8080/ BTC/USDT EUR/USD

const MIN_WAIT_MS = 500, MAX_WAIT_MS = 30_000, SILENCE_MS = 70_000;

// Calls handle with each data frame; rejects when the server does not want us back.
export async function follow(url, symbols, handle) {
  const positions = new Map(); // of each topic: the last frame that we have
  for (let failures = 0; ; failures++) {
    let wait, watchdog;
    const code = await new Promise((closed) => {
      const socket = new WebSocket(url);
      socket.onopen = () => {
        for (const request of requests(symbols, positions)) socket.send(JSON.stringify(request));
      };
      socket.onmessage = ({ data }) => {
        clearTimeout(watchdog); // a heartbeat comes every 30 s
        watchdog = setTimeout(() => { socket.close(); closed(1006); }, SILENCE_MS);
        const frame = JSON.parse(data);
        if (frame.type === "data") {
          failures = 0;
          positions.set(key(frame.data), position(frame));
          handle(frame);
        } else if (frame.code === "SHUTDOWN") {
          wait = frame.reconnect_after_ms;
        } else if (frame.code) { // an error, or the state of a feed
          console.error(JSON.stringify(frame));
        }
        for (const topic of frame.accepted ?? [])
          if (!positions.has(key(topic))) positions.set(key(topic), position(topic));
      };
      socket.onclose = (event) => closed(event.code);
      socket.onerror = () => {}; // close follows
    });
    if (code >= 4500) throw new Error(`closed with ${code}: coming back unchanged is of no use`);
    clearTimeout(watchdog);
    wait ??= Math.random() * Math.min(MIN_WAIT_MS * 2 ** failures, MAX_WAIT_MS);
    await new Promise((done) => setTimeout(done, wait));
  }
}

// Subscribes by name the first time, later to each topic from where it was.
function* requests(symbols, positions) {
  if (!positions.size) yield { action: "subscribe", symbols };
  for (const [key, since] of positions) {
    const [broker, symbol, type] = JSON.parse(key);
    const topic = { action: "subscribe", broker, symbols: [symbol], types: [type] };
    yield since ? { ...topic, since, snapshot: false } : topic;
  }
}

const key = ({ broker, symbol, type }) => JSON.stringify([broker, symbol, type]);

function position({ epoch, seq, data }) { // imported history has no numbers
  return epoch == null ? data?.timestamp : { epoch, seq, timestamp: data?.timestamp };
}

if (globalThis.process?.argv[1]?.endsWith("client.mjs")) {
  const [url, ...symbols] = process.argv.slice(2);
  await follow(url, symbols, (frame) => console.log(JSON.stringify(frame)));
}
