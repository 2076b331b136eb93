import type { GatewayConfig } from '#libs/contracts';
import type { FieldError } from '#libs/kernel';
import { ConfigInvalid } from '../errors.js';
import {
  absentOr,
  type Check,
  checkShape,
  flag,
  integer,
  isObject,
  oneOf,
  orNull,
  type Shape,
  text,
} from './shape.check.js';
import { checkTrustProfile } from './trust-profile.check.js';

/** An agent's id is a folder's name too. */
export const AGENT_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

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
  rehearsal: absentOr(flag),
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
  // Configurations from before there were quotas say nothing about it: no limit.
  diskBytes: absentOr(orNull(integer(0))),
};
const MODEL: Shape = {
  provider: oneOf('anthropic', 'openai', 'offline'),
  name: text,
  maxOutputTokens: integer(1, 1_000_000),
};

function checkAgent(agent: unknown, path: string): FieldError[] {
  const errors = checkShape(agent, AGENT, path);
  if (!isObject(agent)) return errors;
  return [
    ...errors,
    ...checkShape(agent['model'], MODEL, `${path}.model`),
    ...checkTrustProfile(agent['trust'], `${path}.trust`),
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
