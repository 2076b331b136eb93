import { WarmClaims } from './warm-claims.js';
import { WarmGateways } from './warm-gateways.js';
import { WarmHandover } from './warm-handover.js';
import { WarmLife } from './warm-life.js';
import { WarmPoolKeeper } from './warm-pool.js';
import { WarmPoolRepository } from './warm-pool.repository.js';
import { WarmPoolService } from './warm-pool.service.js';
import { WarmRoom } from './warm-room.js';

/** Gateways made ahead: who keeps them, who hands them over, who is asked for one. */
export const warmProviders = [
  WarmClaims,
  WarmPoolRepository,
  WarmPoolService,
  WarmRoom,
  WarmPoolKeeper,
  WarmGateways,
  WarmHandover,
  WarmLife,
];
