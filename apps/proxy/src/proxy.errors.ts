import { DomainError, type ErrorKind } from '#libs/kernel';

/**
 * Every problem the proxy itself answers with: code -> what kind of fault it is and what to do.
 * docs/proxy.md lists them; a test keeps the two equal.
 */
export const PROBLEMS = {
  'unknown-host': [
    'not-found',
    'No business uses this host name or short name here. Use the host of your business, or the path /t/<its short name>/ on this server.',
  ],
  'tenant-suspended': ['forbidden', 'This business is suspended. Its operator can tell why and resume it.'],
  'agent-not-found': ['not-found', 'There is no such agent here. Ask the membership site for a new address and token.'],
  'routes-behind': [
    'unavailable',
    'This agent is not known here, and news of new agents does not arrive right now. Try again in a second.',
  ],
  'agent-moving': ['unavailable', 'This agent is starting or moving. Try again in a second.'],
  'agent-waking': [
    'unavailable',
    'This agent was asleep and is being woken, which takes longer than usual. Try again in a few seconds.',
  ],
  'wake-unavailable': [
    'unavailable',
    'This agent is asleep and cannot be woken right now. Try again in a few seconds.',
  ],
  'agent-unreachable': ['unavailable', 'This agent does not answer right now. Try again in a second.'],
  'agent-timeout': [
    'unavailable',
    'This agent took too long to begin its answer. Try again, or ask for a streamed answer.',
  ],
  'agent-busy': ['unavailable', 'This agent has too many requests in flight. Try again in a second.'],
  'credential-missing': [
    'unauthenticated',
    'Send the member token as "Authorization: Bearer <token>", or sign in on the chat page.',
  ],
  'session-missing': ['unauthenticated', 'You are not signed in. Open the sign-in link of your membership site.'],
  'sign-in-code-invalid': [
    'unauthenticated',
    'This sign-in link has expired or was used already. Ask the membership site for a new one.',
  ],
  'sign-in-unavailable': ['unavailable', 'Signing in is not possible right now. Try again in a few seconds.'],
  'token-exchange-unavailable': [
    'unavailable',
    'The token of your membership site cannot be checked right now. Try again in a few seconds.',
  ],
  'origin-mismatch': [
    'forbidden',
    'This request came from a page of another site. Open the chat page on its own address.',
  ],
  'path-not-found': ['not-found', 'There is nothing at this path. Check the address.'],
  'page-not-built': [
    'not-found',
    'The chat page has not been built. Run the build, or set WIREBOT_CHAT_DIR to the built page.',
  ],
  'routes-not-loaded': [
    'unavailable',
    'This server has just started and does not know any agent yet. Try again in a second.',
  ],
  'path-invalid': [
    'invalid',
    'The path holds dot segments, encoded slashes or control characters. Send it in its plain form.',
  ],
  'url-too-long': ['invalid', 'The address is longer than 8 KiB. Send what is long in the body.'],
  'framing-ambiguous': [
    'invalid',
    'The request does not say clearly where its body ends, or names more than one host. Send one Host and one Content-Length or chunked.',
  ],
  'request-malformed': ['invalid', 'This is not a well-formed HTTP request.'],
  'upgrade-invalid': ['invalid', 'Only WebSocket upgrades (version 13) of GET requests are possible here.'],
  'body-invalid': ['invalid', 'The body must be JSON with the fields this path asks for.'],
  'body-too-large': ['too-large', 'The body is larger than this path takes. Send at most 1 MiB.'],
} as const satisfies Record<string, readonly [ErrorKind, string]>;

export type ProblemCode = keyof typeof PROBLEMS;

/** What takes longer than a second to get better. */
const PATIENT: ReadonlySet<ProblemCode> = new Set(['agent-waking', 'wake-unavailable']);

/** One of the problems above. */
export class ProxyProblem extends DomainError {
  readonly kind: ErrorKind;
  override readonly retryAfter: number | undefined = undefined;
  /** Code of what is in the way, where it is known. */
  readonly reason: string | undefined;
  constructor(
    readonly code: ProblemCode,
    options?: ErrorOptions & { readonly reason?: string | undefined },
  ) {
    super(PROBLEMS[code][1], options);
    this.kind = PROBLEMS[code][0];
    this.reason = options?.reason;
    if (this.kind === 'unavailable') this.retryAfter = PATIENT.has(code) ? 5 : 1;
  }
}
