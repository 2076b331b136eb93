import { request } from 'node:http';

/** True when the URL answers 200 within the time. Anything else, also no answer at all, is "not yet". */
export function answersOk(url: string, milliseconds = 2_000): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request(url, { timeout: milliseconds, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.on('error', () => resolve(false));
    call.end();
  });
}
