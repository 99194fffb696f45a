// The live line to the server: `say(event, data)` goes up, `listen(handler)` gets what comes down, in order, also after a reconnect.
let line = null;
const waiting = [];
const handlers = [];

document.addEventListener("samovar:socket", (event) => connect(event.detail));
if (globalThis.socket) connect(globalThis.socket);

function connect(socket) {
  if (line) return;
  line = socket;
  socket.on("samovar", (message) => {
    // the numbering of NiceGUI's outbox: what was sent while we were away comes again, once
    if (message._id !== undefined) {
      if (message._id < globalThis.nextMessageId) return;
      globalThis.nextMessageId = message._id + 1;
    }
    for (const handler of [...handlers]) handler(message);
  });
  flush();
}

function flush() {
  if (!line || !globalThis.did_handshake) {
    if (waiting.length) setTimeout(flush, 10);
    return;
  }
  while (waiting.length) {
    const [event, data] = waiting.shift();
    globalThis.emitEvent(event, data);
  }
}

export function say(event, data) {
  waiting.push([event, data]);
  flush();
}

export function listen(handler) {
  handlers.push(handler);
}

let number = 0;
export function request(data) {
  // asks the chat session; true when it was done, false when it failed
  const key = `r${++number}`;
  return new Promise((resolve) => {
    const hear = (message) => {
      if (message.key !== key) return;
      handlers.splice(handlers.indexOf(hear), 1);
      resolve(message.op !== "failed");
    };
    handlers.push(hear);
    say("chat", { ...data, key });
  });
}
