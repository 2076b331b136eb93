import { request } from 'node:http';

/** True when a Docker-compatible engine answers on that socket within the time. */
export function engineAnswers(socketPath: string, milliseconds = 2_000): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ socketPath, path: '/_ping', timeout: milliseconds }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    // Whatever the reason is (no socket, no permission, nobody listening): this engine cannot be used.
    call.on('error', () => resolve(false));
    call.end();
  });
}
