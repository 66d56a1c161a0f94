'use strict';

// Opens a websocket through the proxy, to one application of several, and keeps it echoing until
// told to stop. docker/try runs it; it uses nothing but Node:
//
//     node try-websocket.js proxy:8080 wayshub.localhost app2
//
// It prints `connected to app2`, sends a message every 250 ms, and ends with status 1 as soon as
// the connection does or an echo is missing. SIGTERM ends it with status 0.

const { randomBytes } = require('node:crypto');
const net = require('node:net');

const [address, host, wanted] = process.argv.slice(2);
const INTERVAL_MS = 250;
const ECHO_TIMEOUT_MS = 5000;
// One of them is longer than a frame with a 16-bit length can hold.
const SIZES = [5, 200, 70_000];

main().catch((error) => {
  console.log(error.message);
  process.exit(1);
});

async function main() {
  const socket = await connectToWanted();
  console.log(`connected to ${wanted}`);
  const started = Date.now();
  let echoed = 0;

  let lost = null;
  const ended = (reason) => () => {
    lost = lost || reason;
  };
  socket.on('end', ended('the connection was closed'));
  socket.on('error', ended('the connection broke'));
  const frames = frameReader(socket);

  process.on('SIGTERM', () => {
    console.log(`held for ${((Date.now() - started) / 1000).toFixed(1)} s, ${echoed} messages echoed`);
    process.exit(echoed > 0 ? 0 : 1);
  });

  for (;;) {
    const message = randomBytes(SIZES[echoed % SIZES.length]);
    socket.write(maskedBinary(message));
    const deadline = Date.now() + ECHO_TIMEOUT_MS;
    let answer;
    while ((answer = frames()) === null) {
      if (lost) throw new Error(`${lost} after ${echoed} echoes`);
      if (Date.now() > deadline) throw new Error(`no echo within ${ECHO_TIMEOUT_MS} ms, after ${echoed} echoes`);
      await sleep(10);
    }
    if (!answer.equals(message)) throw new Error(`a wrong echo after ${echoed} right ones`);
    echoed += 1;
    await sleep(INTERVAL_MS);
  }
}

// The proxy chooses the application: ask until it is the wanted one.
async function connectToWanted() {
  for (let attempt = 0; attempt < 20; attempt++) {
    const { socket, head } = await handshake();
    if (!/^HTTP\/1\.1 101 /.test(head)) throw new Error(`no websocket: ${head.split('\r\n')[0]}`);
    if (new RegExp(`^x-app: ${wanted}\r$`, 'im').test(head)) return socket;
    socket.destroy();
  }
  throw new Error(`no connection reached ${wanted}`);
}

function handshake() {
  const [name, port] = address.split(':');
  const socket = net.connect({ host: name, port: Number(port) });
  socket.write(
    'GET /ws HTTP/1.1\r\n' +
      `Host: ${host}\r\n` +
      'Connection: Upgrade\r\n' +
      'Upgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\n' +
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
  );
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const read = (chunk) => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', read);
      socket.off('end', early);
      socket.pause();
      socket.unshift(received.subarray(end + 4));
      resolve({ socket, head: received.toString('latin1', 0, end + 2) });
    };
    const early = () => reject(new Error('closed during the handshake'));
    socket.on('data', read);
    socket.on('end', early);
    socket.on('error', reject);
  });
}

function maskedBinary(payload) {
  const header = Buffer.alloc(10);
  header[0] = 0x82;
  header[1] = 0x80 | 127;
  header.writeBigUInt64BE(BigInt(payload.length), 2);
  const mask = randomBytes(4);
  return Buffer.concat([header, mask, payload.map((byte, index) => byte ^ mask[index & 3])]);
}

// Gives the payload of the next whole frame, or null until there is one.
function frameReader(socket) {
  let received = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
  });
  socket.resume();
  return () => {
    if (received.length < 2) return null;
    let start = 2;
    let length = received[1] & 0x7f;
    if (length === 126) start = 4;
    else if (length === 127) start = 10;
    if (received.length < start) return null;
    if (start === 4) length = received.readUInt16BE(2);
    else if (start === 10) length = Number(received.readBigUInt64BE(2));
    if (received.length < start + length) return null;
    if ((received[0] & 0x0f) === 0x8) throw new Error('the websocket was closed');
    const payload = received.subarray(start, start + length);
    received = received.subarray(start + length);
    return payload;
  };
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
