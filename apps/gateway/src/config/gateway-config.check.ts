import type { GatewayConfig } from '#libs/contracts';
import type { FieldError } from '#libs/kernel';
import { ConfigInvalid } from '../errors.js';

/** An agent's id is a folder's name too. */
export const AGENT_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

type Check = (value: unknown) => string | undefined;
type Shape = Record<string, Check>;

const text: Check = (value) => (typeof value === 'string' && value !== '' ? undefined : 'must be a text');
const integer =
  (least: number, most = Number.MAX_SAFE_INTEGER): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most
      ? undefined
      : `must be a whole number from ${least} on`;
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null ? undefined : check(value);
const oneOf =
  (...values: unknown[]): Check =>
  (value) =>
    values.includes(value) ? undefined : `must be one of ${values.join(', ')}`;
const agentId: Check = (value) =>
  typeof value === 'string' && AGENT_ID.test(value) ? undefined : 'must be an agent id';
const httpUrl: Check = (value) =>
  typeof value === 'string' && URL.canParse(value) && /^https?:/.test(value) ? undefined : 'must be an http(s) address';

const GATEWAY: Shape = {
  gatewayId: text,
  kind: oneOf('shared', 'dedicated'),
  generation: integer(0),
  fence: integer(0),
  issuer: text,
  brokerUrl: orNull(httpUrl),
};
const AGENT: Shape = {
  agentId,
  tenantId: text,
  workspaceId: text,
  memberId: text,
  memberName: text,
  brand: text,
  timeZone: text,
  locale: text,
  trustModeMax: oneOf(0, 1, 2, 3),
};
const MODEL: Shape = {
  provider: oneOf('anthropic', 'openai', 'offline'),
  name: text,
  maxOutputTokens: integer(1, 1_000_000),
};
const AGENT_LIMITS: Shape = { messagesPerHour: orNull(integer(0)), sessions: orNull(integer(0)) };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function checkShape(value: unknown, shape: Shape, path: string): FieldError[] {
  if (!isObject(value)) return [{ field: path || '(body)', message: 'must be an object' }];
  return Object.entries(shape).flatMap(([name, check]) => {
    const message = check(value[name]);
    return message ? [{ field: path ? `${path}.${name}` : name, message }] : [];
  });
}

function checkAgent(agent: unknown, path: string): FieldError[] {
  const errors = checkShape(agent, AGENT, path);
  if (!isObject(agent)) return errors;
  return [
    ...errors,
    ...checkShape(agent['model'], MODEL, `${path}.model`),
    ...checkShape(agent['limits'], AGENT_LIMITS, `${path}.limits`),
  ];
}

function checkUnique(agents: readonly unknown[], name: string): FieldError[] {
  const values = agents.filter(isObject).map((agent) => agent[name]);
  return new Set(values).size === values.length ? [] : [{ field: 'agents', message: `${name} must be unique` }];
}

/** Refuses a configuration whole when any part of it is wrong; fields it does not know are kept and ignored. */
export function checkGatewayConfig(value: unknown): GatewayConfig {
  const errors = checkShape(value, GATEWAY, '');
  if (isObject(value)) {
    const { jwks, agents } = value;
    if (!isObject(jwks) || !Array.isArray(jwks['keys'])) errors.push({ field: 'jwks.keys', message: 'must be a list' });
    if (!Array.isArray(agents)) errors.push({ field: 'agents', message: 'must be a list' });
    else {
      errors.push(...agents.flatMap((agent, index) => checkAgent(agent, `agents[${index}]`)));
      errors.push(...checkUnique(agents, 'agentId'), ...checkUnique(agents, 'workspaceId'));
    }
  }
  if (errors.length > 0) throw new ConfigInvalid(errors);
  return value as GatewayConfig;
}
