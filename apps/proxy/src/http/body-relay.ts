import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { RequestHead } from './request-head.js';

/** The client sent more than allowed; nothing beyond the limit has gone upstream. */
export class BodyTooLong extends Error {}
/** The client went away in the middle of its body. */
export class BodyCutOff extends Error {}

/**
 * A request body on its way upstream: counted, never gathered, as fast as the upstream takes it. A stream of its own, so
 * that undici may destroy it without taking the client's connection along: the client still has to get an answer.
 */
export class BodyRelay extends Readable {
  #count = 0;
  #ended = false;
  /** What has passed, while it can still be said again; undefined: too much. */
  #said: Buffer[] | undefined = [];
  #request: IncomingMessage | undefined;
  readonly #onData = (chunk: Buffer) => this.#take(chunk);
  readonly #onEnd = () => {
    this.#ended = true;
    this.push(null);
  };
  readonly #onClose = () => {
    if (this.#request && !this.#request.complete) this.destroy(new BodyCutOff('the client closed the connection'));
  };

  constructor(
    request: IncomingMessage,
    private readonly limit: number,
    /** What was read of it before. */
    head?: RequestHead,
    /** Most bytes that are kept to be said again. */
    private readonly replayLimit = 0,
  ) {
    super({ highWaterMark: 64 * 1024 });
    if (head) this.#take(head.bytes);
    if (head?.complete) {
      this.#onEnd();
      return;
    }
    this.#request = request;
    request.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose);
    request.pause();
  }

  /** Ends it here, so that another one can begin with what is returned; undefined: too much has passed. */
  rewind(): RequestHead | undefined {
    const said = this.#said;
    this.destroy();
    return said && { bytes: Buffer.concat(said), complete: this.#ended };
  }

  /** The upstream has taken it: nothing needs to be said again. */
  forget(): void {
    this.#said = undefined;
  }

  override _read(): void {
    this.#request?.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const request = this.#request;
    request?.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    // What is not read by now stays where it is, for whoever comes next.
    request?.pause();
    this.#request = undefined;
    done(error);
  }

  #take(chunk: Buffer): void {
    this.#count += chunk.length;
    if (this.#count > this.replayLimit) this.#said = undefined;
    else this.#said?.push(chunk);
    if (this.#count > this.limit) this.destroy(new BodyTooLong('the body is larger than allowed'));
    else if (!this.push(chunk)) this.#request?.pause();
  }
}
