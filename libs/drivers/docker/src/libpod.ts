import type Docker from 'dockerode';

/** Podman's own interface, for what its Docker one lacks. Every Podman from 4.0 on answers to this version. */
const ROOT = '/v4.0.0/libpod';

interface Question {
  readonly method: 'GET' | 'POST';
  /** Below the root. */
  readonly path: string;
  readonly options?: object;
  readonly abortSignal: AbortSignal;
}

export const askLibpod = <T>(docker: Docker, { path, ...question }: Question): Promise<T> =>
  new Promise((resolve, reject) => {
    const modem = docker.modem as { dial(options: object, done: (error: Error | null, answer: T) => void): void };
    const statusCodes = { 200: true, 201: true };
    modem.dial({ ...question, path: ROOT + path, statusCodes }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
