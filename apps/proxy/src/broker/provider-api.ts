import type { ProviderConfig, ProxyConfig } from '../proxy.config.js';
import type { ModelProvider } from '../proxy.metrics.js';

/** What a model call cannot have, in words that every provider's error format carries. */
export const BROKER_PROBLEMS = {
  'credential-unknown': [401, 'This agent credential is not valid. The control plane gives every agent its own.'],
  'provider-not-allowed': [403, 'This agent is configured for another model provider.'],
  'tenant-suspended': [403, 'This business is suspended.'],
  'path-not-found': [404, 'The model broker does not offer this path.'],
  'request-invalid': [400, 'The request is malformed or ambiguous.'],
  'body-too-large': [413, 'The request is larger than the 32 MiB a model call may have.'],
  'quota-exhausted': [429, "Today's allowance is used up. It starts again at midnight UTC."],
  'quota-reserved': [429, "What is left of today's allowance is set aside for calls in flight. Wait for one to end."],
  'quota-unavailable': [503, "Today's allowance cannot be checked: the control plane does not answer. Try again."],
  'usage-unavailable': [
    503,
    'The call cannot be written down: the disk of the proxy is full or its journal too long. The operator must look.',
  ],
  'too-many-calls': [429, 'This agent has too many model calls in flight. Wait for one to end.'],
  'model-provider-not-configured': [
    503,
    'No key for this model provider is configured. The operator sets it in the environment of the proxy.',
  ],
  'model-provider-key-refused': [
    503,
    'The model provider refused the key of this installation. The operator must replace it.',
  ],
  'model-provider-key-unreadable': [
    503,
    'The own key for this model provider cannot be opened by the model broker. Whoever entered it must enter it again.',
  ],
  'model-provider-unreachable': [503, 'The model provider does not answer right now. Try again.'],
  'model-provider-timeout': [503, 'The model provider took too long to begin its answer. Try again.'],
  'internal-error': [500, 'Something went wrong inside the model broker.'],
} as const satisfies Record<string, readonly [number, string]>;

/** Whose key the provider refused: who reads this has to know who must act. */
const REFUSED_KEY_TEXTS = {
  member: "The model provider refused the member's own key. The member must replace or remove it.",
  tenant: 'The model provider refused the key of this business. Its staff must replace or remove it.',
} as const;

export type BrokerProblem = keyof typeof BROKER_PROBLEMS;

export interface ProviderCall {
  readonly provider: ModelProvider;
  /** A model works for it: it is counted. */
  readonly metered?: true;
  /** Path at the provider, below its base address. */
  readonly path: string;
}

/** `METHOD path` at the broker -> the provider's path. Nothing else passes. */
const CALLS: Readonly<Record<string, ProviderCall>> = {
  'POST /anthropic/v1/messages': { provider: 'anthropic', path: '/v1/messages', metered: true },
  'POST /anthropic/v1/messages/count_tokens': { provider: 'anthropic', path: '/v1/messages/count_tokens' },
  'GET /anthropic/v1/models': { provider: 'anthropic', path: '/v1/models' },
  'POST /openai/v1/chat/completions': { provider: 'openai', path: '/chat/completions', metered: true },
};

export const callOf = (method: string | undefined, path: string): ProviderCall | undefined =>
  CALLS[`${method} ${path}`];

export const providerOfPath = (path: string): ModelProvider => (path.startsWith('/openai/') ? 'openai' : 'anthropic');

export const providerConfig = (config: ProxyConfig, provider: ModelProvider): ProviderConfig =>
  provider === 'openai' ? config.openai : config.anthropic;

/** The header that carries the platform's key to this provider. */
export const keyHeader = (provider: ModelProvider, key: string): [string, string] =>
  provider === 'openai' ? ['Authorization', `Bearer ${key}`] : ['x-api-key', key];

const ANTHROPIC_TYPES: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
};

/** A problem in the provider's own error format, so that its SDK raises its own kind of error. */
export function providerError(
  provider: ModelProvider,
  problem: BrokerProblem,
  holder?: 'member' | 'tenant' | 'platform',
): { status: number; body: string } {
  const [status, usual] = BROKER_PROBLEMS[problem];
  const owned = problem === 'model-provider-key-refused' && holder && holder !== 'platform';
  const text = owned ? REFUSED_KEY_TEXTS[holder] : usual;
  const message = `${problem}: ${text}`;
  if (provider === 'anthropic') {
    const type = ANTHROPIC_TYPES[status] ?? 'api_error';
    return { status, body: JSON.stringify({ type: 'error', error: { type, message } }) };
  }
  const type = status < 500 ? 'invalid_request_error' : 'server_error';
  return { status, body: JSON.stringify({ error: { message, type, param: null, code: problem } }) };
}
