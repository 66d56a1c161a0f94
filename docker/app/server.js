'use strict';

// The application behind the proxy: a page that says which copy of it answered, `/healthz`, and a
// websocket echo at `/ws`. It needs nothing but Node:
//
//     PORT=3001 APP_NAME=app1 node docker/app/server.js
//
// SIGINT, SIGTERM and pm2's `shutdown` message stop it gracefully: no new connections, the requests
// in flight are finished, websockets are closed, exit status 0 within STOP_TIMEOUT_MS.

const { createHash } = require('node:crypto');
const http = require('node:http');
const os = require('node:os');

const NAME = process.env.APP_NAME || os.hostname();
const PORT = Number(process.env.PORT || 3000);
const STOP_TIMEOUT_MS = Number(process.env.STOP_TIMEOUT_MS || 5000);

const websockets = new Set();
let answered = 0;
let stopping = false;

const server = http.createServer((request, response) => {
  response.setHeader('X-App', NAME);
  response.setHeader('Cache-Control', 'no-store');
  // The answer comes after the whole request, so that "in flight" includes a body still on its way.
  request.on('end', () => answer(request, response));
  request.resume();
});

// A proxy keeps connections open for later requests. Closing them first, as Node does after 5 s,
// would race with a request that is already on its way.
server.keepAliveTimeout = 75_000;

server.on('upgrade', (request, socket, head) => {
  const refusal = upgradeRefusal(request);
  if (refusal) {
    socket.end(`HTTP/1.1 ${refusal}\r\nX-App: ${NAME}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    return;
  }
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\n' +
      'Upgrade: websocket\r\n' +
      'Connection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${acceptKey(request.headers['sec-websocket-key'])}\r\n` +
      `X-App: ${NAME}\r\n\r\n`,
  );
  echo(socket, head);
});

server.on('error', (error) => {
  console.error(`${NAME}: ${error.message}`);
  process.exit(1);
});

server.listen(PORT, () => {
  console.log(`${NAME} listens on port ${server.address().port}`);
  // pm2's wait_ready: started means listening.
  if (process.send) process.send('ready');
});

process.on('SIGINT', () => stop('SIGINT'));
process.on('SIGTERM', () => stop('SIGTERM'));
process.on('message', (message) => {
  if (message === 'shutdown') stop('shutdown message');
});

function stop(reason) {
  if (stopping) return;
  stopping = true;
  console.log(`${NAME} stops (${reason})`);
  server.close(() => process.exit(0));
  server.closeIdleConnections();
  for (const websocket of websockets) websocket.close(1001);
  setTimeout(() => {
    console.log(`${NAME} gave up waiting after ${STOP_TIMEOUT_MS} ms`);
    process.exit(0);
  }, STOP_TIMEOUT_MS).unref();
}

// Pages

function answer(request, response) {
  if (request.url.split('?')[0] === '/healthz') return send(response, 'text/plain', 'ok\n');
  answered += 1;
  if ((request.headers.accept || '').includes('application/json')) {
    return send(response, 'application/json', `${JSON.stringify({ app: NAME, path: request.url })}\n`);
  }
  send(response, 'text/html; charset=utf-8', page(request));
}

function send(response, type, body) {
  // Otherwise the connection would stay open for a next request, and the process with it.
  if (stopping) response.setHeader('Connection', 'close');
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

function page(request) {
  const rows = [
    ['Answers so far', String(answered)],
    ['Asked for', `${request.method} ${request.url}`],
    ...['host', 'x-real-ip', 'x-forwarded-for', 'x-forwarded-proto'].map((name) => [name, request.headers[name] || '–']),
  ];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(NAME)}</title>
<style>
  body { margin: 0; min-height: 100vh; display: grid; place-content: center; gap: 1rem;
         font: 1.1rem/1.5 system-ui, sans-serif; color: #fff; background: hsl(${hue(NAME)} 55% 32%); }
  h1 { margin: 0; font-size: 5rem; }
  td { padding: 0 1rem 0 0; }
</style>
<h1>${escape(NAME)}</h1>
<table>${rows.map(([name, value]) => `<tr><td>${escape(name)}<td>${escape(value)}`).join('')}</table>
<p>Reload: another copy may answer, in another colour.</p>
<p>Websocket: <span id="websocket">connecting</span></p>
<script>
  const shown = document.getElementById('websocket');
  const socket = new WebSocket(location.origin.replace(/^http/, 'ws') + '/ws');
  const started = performance.now();
  socket.onopen = () => setInterval(() => socket.send(Math.round((performance.now() - started) / 1000)), 1000);
  socket.onmessage = (event) => { shown.textContent = 'echoing for ' + event.data + ' s'; };
  socket.onclose = () => { shown.textContent = 'closed'; };
</script>
</html>
`;
}

// Neighbouring names (app1, app2) land far apart on the colour wheel.
function hue(name) {
  let sum = 0;
  for (const byte of Buffer.from(name)) sum = (sum * 31 + byte) % 100_003;
  return Math.round((sum * 137.508) % 360);
}

function escape(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

// Websocket, RFC 6455

const CONTINUATION = 0x0;
const TEXT = 0x1;
const BINARY = 0x2;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;

const MESSAGE_LIMIT = 16 * 1024 * 1024;

function upgradeRefusal(request) {
  if (request.url.split('?')[0] !== '/ws') return '404 Not Found';
  const { upgrade, 'sec-websocket-key': key, 'sec-websocket-version': version } = request.headers;
  if (request.method !== 'GET' || (upgrade || '').toLowerCase() !== 'websocket') return '400 Bad Request';
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key || '')) return '400 Bad Request';
  if (version !== '13') return '426 Upgrade Required\r\nSec-WebSocket-Version: 13';
  if (stopping) return '503 Service Unavailable';
  return null;
}

function acceptKey(key) {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

function frame(opcode, payload) {
  const length = payload.length;
  let header;
  if (length < 126) {
    header = Buffer.from([0, length]);
  } else if (length < 65_536) {
    header = Buffer.from([0, 126, 0, 0]);
    header.writeUInt16BE(length, 2);
  } else {
    header = Buffer.alloc(10);
    header[1] = 127;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  header[0] = 0x80 | opcode;
  return Buffer.concat([header, payload]);
}

class ProtocolError extends Error {
  constructor(code, reason) {
    super(reason);
    this.code = code;
  }
}

// Yields the number of bytes it needs next and is resumed with them; `deliver` gets each message
// and control frame once it is whole.
function* parser(deliver) {
  let fragments = [];
  let size = 0;
  let kind = null;
  for (;;) {
    const [first, second] = yield 2;
    const final = (first & 0x80) !== 0;
    const opcode = first & 0x0f;
    let length = second & 0x7f;
    if (first & 0x70) throw new ProtocolError(1002, 'reserved bits');
    if (!(second & 0x80)) throw new ProtocolError(1002, 'unmasked frame');
    if (![CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG].includes(opcode)) throw new ProtocolError(1002, 'opcode');
    if (opcode >= CLOSE && (!final || length > 125)) throw new ProtocolError(1002, 'control frame');
    if (length === 126) length = (yield 2).readUInt16BE();
    else if (length === 127) length = Number((yield 8).readBigUInt64BE());
    if (size + length > MESSAGE_LIMIT) throw new ProtocolError(1009, 'too large');
    const mask = yield 4;
    const payload = yield length;
    for (let i = 0; i < length; i++) payload[i] ^= mask[i & 3];

    if (opcode >= CLOSE) {
      deliver(opcode, payload);
      continue;
    }
    if ((opcode === CONTINUATION) === (kind === null)) throw new ProtocolError(1002, 'fragment out of order');
    if (kind === null) kind = opcode;
    fragments.push(payload);
    size += length;
    if (!final) continue;
    deliver(kind, Buffer.concat(fragments));
    fragments = [];
    size = 0;
    kind = null;
  }
}

function echo(socket, head) {
  let closing = false;
  const close = (code) => {
    if (closing) return;
    closing = true;
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    socket.end(frame(CLOSE, payload));
    // A peer that never closes its side does not keep this one open.
    setTimeout(() => socket.destroy(), 1000).unref();
  };
  const write = (opcode, payload) => {
    if (closing) return;
    // A peer that sends but does not read is not read from either.
    if (!socket.write(frame(opcode, payload))) {
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
  };
  const messages = parser((opcode, payload) => {
    if (opcode === PING) write(PONG, payload);
    else if (opcode === CLOSE) close(payload.length >= 2 ? payload.readUInt16BE() : 1000);
    else if (opcode === TEXT) write(TEXT, checkedText(payload));
    else if (opcode === BINARY) write(BINARY, payload);
  });

  let chunks = [];
  let held = 0;
  let needed = messages.next().value;
  const read = (chunk) => {
    if (closing) return;
    chunks.push(chunk);
    held += chunk.length;
    try {
      while (!closing && held >= needed) {
        const bytes = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
        chunks = [bytes.subarray(needed)];
        held -= needed;
        needed = messages.next(bytes.subarray(0, needed)).value;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      close(error.code);
    }
  };

  const websocket = { close };
  websockets.add(websocket);
  socket.setNoDelay(true);
  socket.setTimeout(0);
  socket.on('data', read);
  socket.on('end', () => socket.end());
  socket.on('error', () => socket.destroy());
  socket.on('close', () => websockets.delete(websocket));
  if (head.length > 0) read(head);
}

function checkedText(payload) {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(payload);
  } catch {
    throw new ProtocolError(1007, 'not UTF-8');
  }
  return payload;
}
