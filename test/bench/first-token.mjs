// What proxy, gateway and broker add to the model's own time to the first token.
// Usage: node test/bench/run.mjs first-token [--runs 200] [--driver docker|process]
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { BEARER_PROTOCOL_PREFIX, CHAT_PROTOCOL } from '#libs/contracts';
import { option } from './support/arguments.mjs';
import { withCleanup } from './support/cleanup.mjs';
import { begin, printStatistics } from './support/report.mjs';
import { Site } from './support/site.mjs';
import { startStack } from './support/stack.mjs';

const RUNS = Number(option('runs', 200));
const WARM_UP = 30;
/** A conversation begins anew after this many messages, so that the model's input stays small. */
const SESSION = 10;
/** Between two measurements: the end of an answer (usage, its transaction) is done by then. */
const PAUSE = 15;
const TEXT = 'Say hello in a few words.';
const LIMIT = 20_000;

/** A streaming call as the gateway's SDK makes it, on a connection that is open already. */
function directCall({ modelUrl, modelKey }, agent) {
  const headers = { 'content-type': 'application/json', 'x-api-key': modelKey, 'anthropic-version': '2023-06-01' };
  const messages = [{ role: 'user', content: TEXT }];
  const body = JSON.stringify({ model: 'bench', max_tokens: 512, stream: true, messages });
  return () => timedPost(`${modelUrl}/v1/messages`, headers, body, 'content_block_delta', agent);
}

/** The same conversation as an event stream of POST /chat. */
function eventStream(token, agent) {
  const headers = {
    authorization: `Bearer ${token.token}`,
    'content-type': 'application/json',
    accept: 'text/event-stream',
  };
  return (turn) => {
    const session = `http-${Math.floor(turn / SESSION)}`;
    const body = JSON.stringify({ text: TEXT, session, idempotencyKey: randomUUID() });
    return timedPost(`${token.url.replace(/\/$/, '')}/chat`, headers, body, 'event: response', agent);
  };
}

/** Milliseconds from the request to the first byte after which `mark` has been seen; resolves at the answer's end. */
function timedPost(url, headers, body, mark, agent) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    let text = '';
    let first;
    const request = http.request(url, { method: 'POST', headers, agent, timeout: LIMIT }, (response) => {
      response.on('data', (chunk) => {
        text += chunk;
        if (first === undefined && text.includes(mark)) first = performance.now() - began;
      });
      response.on('end', () =>
        first === undefined ? reject(new Error(`${response.statusCode} ${text}`)) : resolve({ first }),
      );
    });
    request.on('timeout', () => request.destroy(new Error(`${url} did not answer`)));
    request.on('error', reject).end(body);
  });
}

/** A chat socket; a call sends one message and resolves when its answer is complete. */
async function chatSocket(token, defer) {
  const socket = new WebSocket(token.wsUrl, [CHAT_PROTOCOL, BEARER_PROTOCOL_PREFIX + token.token]);
  defer(() => socket.terminate());
  let onFrame = () => undefined;
  socket.on('message', (data) => onFrame(JSON.parse(data), performance.now()));
  const until = (type, start) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${type} frame within ${LIMIT / 1000} s`)), LIMIT);
      const seen = {};
      socket.once('close', (code) => reject(new Error(`the socket closed with ${code}`)));
      onFrame = (frame, at) => {
        seen[frame.type] ??= at;
        if (frame.type === 'error') reject(new Error(JSON.stringify(frame)));
        if (frame.type !== type) return;
        clearTimeout(timer);
        socket.removeAllListeners('close');
        resolve(seen);
      };
      start();
    });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  await until('connected', () => socket.send(JSON.stringify({ type: 'connect', id: 'connect' })));
  return async (turn) => {
    const key = randomUUID();
    const session = `socket-${Math.floor(turn / SESSION)}`;
    const frame = JSON.stringify({ type: 'message', id: key, idempotencyKey: key, session, text: TEXT });
    const began = performance.now();
    const seen = await until('done', () => socket.send(frame));
    return { accepted: seen.accepted - began, first: seen.response - began };
  };
}

await withCleanup(async (defer) => {
  const stack = await startStack(defer, option('driver', undefined));
  const site = new Site(stack.file);
  await site.provision('bench', 'sovereign');
  const token = await site.token('bench');
  const agent = new http.Agent({ keepAlive: true });
  defer(() => agent.destroy());
  const report = begin(`First token (${stack.file.driver} driver)`);
  const lanes = [directCall(stack, agent), await chatSocket(token, defer), eventStream(token, agent)].map(
    (measure) => ({
      measure,
      samples: [],
    }),
  );
  for (let turn = 0; turn < WARM_UP + RUNS; turn += 1) {
    for (let lane = 0; lane < lanes.length; lane += 1) {
      const { measure, samples } = lanes[(turn + lane) % lanes.length];
      await delay(PAUSE);
      const sample = await measure(turn);
      if (turn >= WARM_UP) samples.push(sample);
    }
  }
  report();
  const [direct, socket, stream] = lanes.map(({ samples }) => samples.map(({ first }) => first));
  const over = (values) => values.map((value, index) => value - direct[index]);
  printStatistics(
    'ms',
    [
      ['direct: first token', direct],
      ['socket: message saved (accepted)', lanes[1].samples.map(({ accepted }) => accepted)],
      ['socket: first token', socket],
      ['event stream: first token', stream],
      ['socket: over the direct call', over(socket)],
      ['event stream: over the direct call', over(stream)],
    ],
    1,
  );
});
