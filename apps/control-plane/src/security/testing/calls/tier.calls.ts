import { fresh, type RouteCalls } from '../route-call.js';
import type { Actor } from '../world.js';

const TIER = {
  name: 'Made',
  rank: 7,
  trustCeiling: 1,
  placement: 'shared',
  channels: ['web'],
  limits: {
    messagesPerHour: 50,
    sessions: 3,
    apiCallsPerDay: 100,
    smsPerDay: 10,
    tokensPerDay: null,
    costPerDayUsd: null,
    agents: null,
  },
  resources: { cpus: 1, memoryMb: 512, pids: 128 },
};

const aTier = async (actor: Actor): Promise<string[]> => {
  const key = fresh('tier');
  await actor.call('POST', '/v1/tiers', { ...TIER, key });
  return [key];
};

const aRetiredTier = async (actor: Actor): Promise<string[]> => {
  const [key] = await aTier(actor);
  await actor.call('DELETE', `/v1/tiers/${key}`);
  return [key!];
};

/** Tiers, which are each tenant's own. */
export const TIER_CALLS: RouteCalls = {
  'GET /v1/tiers': {},
  'GET /v1/tier-templates': { tenantless: 'a list that is the same for everybody' },
  'POST /v1/tiers': { body: { ...TIER, key: 'made' } },
  'POST /v1/tiers/apply-template': { body: { template: 'standalone' } },
  'GET /v1/tiers/:key': { target: aTier },
  'GET /v1/tiers/:key/versions': { target: aTier },
  'POST /v1/tiers/:key/preview': { target: aTier, body: TIER },
  'PUT /v1/tiers/:key': { target: aTier, body: { ...TIER, name: 'Changed' } },
  'DELETE /v1/tiers/:key': { target: aTier },
  'POST /v1/tiers/:key/restore': { target: aRetiredTier },
};
