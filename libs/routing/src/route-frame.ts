import type { AgentRoute, Revocation, RouteFrame, TenantRoute } from '#libs/contracts';
import { DomainError } from '#libs/kernel';

/** A frame that is not what the protocol says. It is refused whole: nothing of it has been applied. */
export class RouteFrameInvalid extends DomainError {
  readonly code = 'route-frame-invalid';
  readonly kind = 'invalid';
  constructor(what: string) {
    super(
      `The route feed sent a frame that is not valid: ${what}. Check that proxy and control plane are of the same release.`,
    );
  }
}

type Fields = Record<string, unknown>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string' && value.length > 0;
const isTime = (value: unknown): boolean => isText(value) && !Number.isNaN(Date.parse(value));
const isVersion = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function expect(holds: boolean, what: string): asserts holds {
  if (!holds) throw new RouteFrameInvalid(what);
}

function list(value: unknown, what: string): unknown[] {
  expect(Array.isArray(value), `${what} is not a list`);
  return value;
}

function texts(fields: Fields, names: readonly string[], what: string): void {
  for (const name of names) expect(isText(fields[name]), `${what}.${name} is not a text`);
}

function checkAgent(value: unknown): void {
  expect(isFields(value), 'an agent is not an object');
  texts(value, ['agentId', 'tenantId', 'workspaceId', 'memberId', 'gatewayId'], 'agent');
  expect(['live', 'held', 'asleep'].includes(value['state'] as string), 'agent.state is unknown');
  const target = value['target'];
  expect(isFields(target) && typeof target['host'] === 'string', 'agent.target is not an address');
  // A held or sleeping agent may have no address yet; a live one without a usable port would only fail later, per request.
  const lowest = value['state'] === 'live' ? 1 : 0;
  const port = target['port'];
  expect(
    Number.isInteger(port) && (port as number) >= lowest && (port as number) <= 65_535,
    'agent.target.port is not a port',
  );
  expect(value['state'] !== 'live' || isText(target['host']), 'agent.target.host is empty');
  expect(typeof value['credentialSha256'] === 'string', 'agent.credentialSha256 is not a text');
  const model = value['model'];
  expect(
    isFields(model) && isText(model['provider']) && typeof model['name'] === 'string',
    'agent.model is not a model',
  );
  texts(value, ['tierKey'], 'agent');
  checkLimits(value['limits'], 'agent.limits');
}

function checkTenant(value: unknown): void {
  expect(isFields(value), 'a tenant is not an object');
  texts(value, ['tenantId', 'slug', 'name'], 'tenant');
  expect(value['status'] === 'active' || value['status'] === 'suspended', 'tenant.status is unknown');
  expect(list(value['hosts'], 'tenant.hosts').every(isText), 'tenant.hosts holds something that is not a host name');
  checkLimits(value['limits'], 'tenant.limits');
  const brand = value['brand'];
  expect(isFields(brand), 'tenant.brand is not an object');
  for (const name of ['name', 'accent', 'greeting'])
    expect(typeof brand[name] === 'string', `tenant.brand.${name} is not a text`);
}

function checkRevocation(value: unknown): void {
  expect(isFields(value) && isTime(value['until']), 'a revocation has no end');
  texts(value, ['tenantId'], 'revocation');
  if (value['jti'] !== undefined) return texts(value, ['jti'], 'revocation');
  expect(isTime(value['issuedBefore']), 'a revocation names neither a token nor a time');
  expect(value['memberId'] === undefined || isText(value['memberId']), 'revocation.memberId is not a text');
}

function checkLimits(value: unknown, what: string): void {
  expect(isFields(value), `${what} is not an object`);
  for (const name of ['tokensPerDay', 'costPerDayMicros'])
    expect(value[name] === null || isVersion(value[name]), `${what}.${name} is neither null nor a whole number`);
}

function checkProviderKey(value: unknown): void {
  expect(isFields(value), 'a provider key is not an object');
  texts(value, ['id', 'tenantId', 'provider', 'jwe'], 'providerKey');
  expect(value['memberId'] === null || isText(value['memberId']), 'providerKey.memberId is neither null nor a text');
}

function checkJwks(value: unknown): void {
  expect(isFields(value), 'jwks is not an object');
  expect(list(value['keys'], 'jwks.keys').every(isFields), 'jwks.keys holds something that is not a key');
}

/** A control plane of an older release names none. */
function checkBrokerAddresses(value: unknown): void {
  if (value === undefined) return;
  expect(list(value, 'brokerAddresses').every(isText), 'brokerAddresses holds something that is not an address');
}

function checkUnique(entries: unknown[], id: string, what: string): void {
  const ids = new Set(entries.map((entry) => (entry as Fields)[id]));
  expect(ids.size === entries.length, `${what} names one ${id} twice`);
}

function checkSnapshot(frame: Fields): void {
  texts(frame, ['epoch', 'issuer'], 'snapshot');
  checkJwks(frame['jwks']);
  const tenants = list(frame['tenants'], 'tenants');
  const agents = list(frame['agents'], 'agents');
  tenants.forEach(checkTenant);
  agents.forEach(checkAgent);
  checkUnique(tenants, 'tenantId', 'tenants');
  checkUnique(agents, 'agentId', 'agents');
  list(frame['revocations'], 'revocations').forEach(checkRevocation);
  list(frame['providerKeys'], 'providerKeys').forEach(checkProviderKey);
  checkBrokerAddresses(frame['brokerAddresses']);
}

function checkChange(value: unknown, what: string, check: (entry: unknown) => void): void {
  if (value === undefined) return;
  expect(isFields(value), `${what} is not a change`);
  list(value['upsert'], `${what}.upsert`).forEach(check);
  expect(list(value['remove'], `${what}.remove`).every(isText), `${what}.remove holds something that is not an id`);
}

function checkDelta(frame: Fields): void {
  expect(isVersion(frame['from']), 'delta.from is not a version');
  expect((frame['version'] as number) >= (frame['from'] as number), 'delta.version is before delta.from');
  checkChange(frame['agents'], 'agents', checkAgent);
  checkChange(frame['tenants'], 'tenants', checkTenant);
  checkChange(frame['providerKeys'], 'providerKeys', checkProviderKey);
  if (frame['jwks'] !== undefined) checkJwks(frame['jwks']);
  checkBrokerAddresses(frame['brokerAddresses']);
  if (frame['revocations'] !== undefined) list(frame['revocations'], 'revocations').forEach(checkRevocation);
}

/** Checks one decoded frame whole, before any of it is applied. Throws RouteFrameInvalid. */
export function checkFrame(value: unknown): RouteFrame {
  expect(isFields(value), 'it is not an object');
  expect(isVersion(value['version']), 'version is not a version');
  if (value['type'] === 'snapshot') checkSnapshot(value);
  else if (value['type'] === 'delta') checkDelta(value);
  else expect(value['type'] === 'heartbeat', 'its type is unknown');
  return value as unknown as RouteFrame;
}

/** Decodes and checks one line of the feed. Throws RouteFrameInvalid. */
export function parseFrame(line: string): RouteFrame {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new RouteFrameInvalid('it is not JSON');
  }
  return checkFrame(value);
}

export type SnapshotFrame = Extract<RouteFrame, { type: 'snapshot' }>;
export type DeltaFrame = Extract<RouteFrame, { type: 'delta' }>;
export type { AgentRoute, Revocation, TenantRoute };
