/** How an exchange ended when no complete answer reached the client. */
export type ForwardFault = 'busy' | 'unreachable' | 'timeout' | 'too-large' | 'broken' | 'client-gone';

const TIMEOUTS = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

/** The upstream took the request and then kept silent for too long. */
export const isTimeout = (error: Error): boolean => TIMEOUTS.has((error as NodeJS.ErrnoException).code ?? '');

/** Why the proxy itself ends an exchange with an upstream. */
export class Dropped extends Error {}
export class ClientGone extends Error {}
