import { beforeEach, describe, expect, it } from 'vitest';
import { EventStream, OPEN_WITHIN, type EventParts } from './events.js';

type Events = Parameters<EventParts['openSocket']>[0];

/** Sockets, time and sign-in under the test's thumb; `heard` is what the page was told. */
class World {
  readonly sockets: { readonly events: Events; readonly sent: unknown[] }[] = [];
  readonly heard: string[] = [];
  signedIn = true;
  timers: { readonly milliseconds: number; readonly run: () => void }[] = [];

  start(): EventStream {
    const parts: EventParts = {
      openSocket: (events) => {
        const sent: unknown[] = [];
        this.sockets.push({ events, sent });
        return { send: (data) => void sent.push(JSON.parse(data)), close: () => undefined };
      },
      isSignedIn: () => Promise.resolve(this.signedIn),
      random: () => 1,
      after: (milliseconds, run) => {
        const timer = { milliseconds, run };
        this.timers.push(timer);
        return () => void (this.timers = this.timers.filter((other) => other !== timer));
      },
    };
    const stream = new EventStream(parts, {
      onEvent: (event) => void this.heard.push(event.id),
      onLive: (live) => void this.heard.push(live ? 'live' : 'not live'),
      onGap: () => void this.heard.push('gap'),
      onSignedOut: () => void this.heard.push('signed out'),
    });
    stream.start();
    return stream;
  }

  event(cursor: string, id: string): void {
    this.sockets.at(-1)!.events.onMessage(JSON.stringify({ type: 'event', cursor, topic: 'operations', id, data: {} }));
  }

  async break(): Promise<void> {
    this.sockets.at(-1)!.events.onClose();
    await Promise.resolve();
    await Promise.resolve();
    for (const timer of this.timers.splice(0)) timer.run();
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});

describe('EventStream', () => {
  it('loads the lists at first, and afterwards asks for what came since the last event', async () => {
    world.start();
    world.sockets[0]!.events.onOpen();
    world.event('12.7', 'op_1');
    await world.break();
    world.sockets[1]!.events.onOpen();
    expect(world.sockets[1]!.sent).toEqual([
      { type: 'subscribe', topics: ['operations', 'gateways', 'members'], after: '12.7' },
    ]);
    expect(world.heard).toEqual(['live', 'gap', 'op_1', 'not live', 'live']);
  });

  it('hears no event twice', () => {
    world.start();
    world.sockets[0]!.events.onOpen();
    for (const cursor of ['9.1', '9.2', '9.2', '10.1']) world.event(cursor, cursor);
    expect(world.heard.slice(2)).toEqual(['9.1', '9.2', '10.1']);
  });

  it('goes on from the beginning of its subscription when nothing happened before the break', async () => {
    world.start();
    world.sockets[0]!.events.onOpen();
    world.sockets[0]!.events.onMessage('{"type":"subscribed","cursor":"4.2"}');
    await world.break();
    world.sockets[1]!.events.onOpen();
    expect(world.sockets[1]!.sent).toEqual([expect.objectContaining({ after: '4.2' })]);
  });

  it('loads everything again when the server cannot resume, and listens from then on', async () => {
    world.start();
    world.sockets[0]!.events.onOpen();
    world.event('12.7', 'op_1');
    await world.break();
    world.sockets[1]!.events.onOpen();
    world.sockets[1]!.events.onMessage('{"type":"error","code":"request-invalid"}');
    expect(world.heard.at(-1)).toBe('gap');
    expect(world.sockets[1]!.sent.at(-1)).not.toHaveProperty('after');
    world.event('1.1', 'op_2');
    expect(world.heard.at(-1)).toBe('op_2');
  });

  it('does not ask again and again when its subscription is refused as such', () => {
    world.start();
    world.sockets[0]!.events.onOpen();
    world.sockets[0]!.events.onMessage('{"type":"error","code":"scope-missing"}');
    expect(world.sockets[0]!.sent).toHaveLength(1);
  });

  it('gives up a socket that never opens, and tries again', async () => {
    world.start();
    expect(world.timers.map((timer) => timer.milliseconds)).toEqual([OPEN_WITHIN]);
    world.timers.shift()!.run();
    await Promise.resolve();
    expect(world.timers.map((timer) => timer.milliseconds)).toEqual([500]);
  });

  it('asks for a sign-in when it has ended, and stays silent once it is stopped', async () => {
    world.signedIn = false;
    const stream = world.start();
    await world.break();
    expect(world.heard).toEqual(['not live', 'signed out']);
    stream.stop();
    await world.break();
    expect(world.sockets).toHaveLength(1);
    expect(world.heard).toHaveLength(2);
  });
});
