import { ManualClock } from '#libs/kernel';
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Activity } from './activity.js';
import { cgroupLimit } from './gateway-load.js';
import { LoopDelay } from './loop-delay.js';

class Response extends EventEmitter {
  writableEnded = false;
  timeout = 0;
  setTimeout(milliseconds: number): void {
    this.timeout = milliseconds;
  }
}

let clock: ManualClock;
let uptime: ManualClock;
let delay: LoopDelay;
let activity: Activity;
beforeEach(() => {
  [clock, uptime, delay] = [new ManualClock(), new ManualClock(new Date(0)), new LoopDelay()];
  activity = new Activity(clock, uptime, delay);
});
afterEach(() => delay.stop());

describe('activity', () => {
  it('lasts until an answer has been taken', () => {
    const response = new Response();
    activity.request(response);
    expect(activity.reasons()).toEqual(['request']);
    response.writableEnded = true;
    expect(activity.reasons()).toEqual(['delivery']);
    response.emit('close');
    expect(activity.reasons()).toEqual([]);
  });

  it('waits as long as it takes for an answer, and a minute for the client to take it', () => {
    const response = new Response();
    activity.request(response);
    expect(response.timeout).toBe(0);
    response.emit('prefinish');
    expect(response.timeout).toBe(60_000);
  });

  it('is a socket as long as one is open', () => {
    activity.socketOpened();
    activity.socketOpened();
    activity.socketClosed();
    expect(activity.reasons()).toEqual(['socket']);
    activity.socketClosed();
    expect(activity.reasons()).toEqual([]);
  });

  it('is dated by time that ran, whatever the clock does', () => {
    activity.used();
    uptime.advance(60_000);
    clock.advance(60_000 + 86_400_000);
    expect(clock.now().getTime() - activity.usedAt().getTime()).toBe(60_000);
  });
});

describe('the memory limit', () => {
  it.each([
    [536_870_912, 536_870_912],
    [0, undefined],
    [2 ** 64, undefined],
    [9_223_372_036_854_771_712, undefined],
  ])('that the kernel gives as %d is %d', (constrained, limit) => {
    expect(cgroupLimit(constrained)).toBe(limit);
  });
});
