import { CHAT_PROTOCOL } from '#libs/contracts';
import { RequestFailed } from '#libs/browser';
import { getMe, socketUrl } from './api.js';
import type { ConnectionParts } from './connection-parts.js';

/** A real browser around a connection. The socket authenticates by the cookie, which this page cannot read. */
export const browserParts: ConnectionParts = {
  openSocket: (events) => {
    const socket = new WebSocket(socketUrl(), CHAT_PROTOCOL);
    socket.addEventListener('open', () => events.onOpen());
    socket.addEventListener('message', (event) => events.onMessage(event.data));
    socket.addEventListener('close', (event) => events.onClose(event.code));
    return socket;
  },
  probe: async () => {
    try {
      await getMe();
      return 'signed-in';
    } catch (error) {
      return error instanceof RequestFailed && error.status === 401 ? 'signed-out' : 'unreachable';
    }
  },
  isOnline: () => navigator.onLine,
  now: () => Date.now(),
  random: () => Math.random(),
  after: (milliseconds, run) => {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
};
