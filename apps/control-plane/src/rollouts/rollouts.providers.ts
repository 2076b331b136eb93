import { ConfiguredImage } from './configured-image.js';
import { GatewayUpgradesController } from './gateway-upgrades.controller.js';
import { GatewayUpgradesService } from './gateway-upgrades.service.js';
import { KeptCopies } from './kept-copies.js';
import { RolloutImages } from './rollout-images.js';
import { RolloutLeader } from './rollout-leader.js';
import { RolloutRound } from './rollout-round.js';
import { RolloutTargets } from './rollout-targets.js';
import { RolloutsController } from './rollouts.controller.js';
import { RolloutsRepository } from './rollouts.repository.js';
import { RolloutsService } from './rollouts.service.js';

export const rolloutControllers = [RolloutsController, GatewayUpgradesController];

export const rolloutProviders = [
  RolloutsRepository,
  RolloutsService,
  GatewayUpgradesService,
  RolloutImages,
  RolloutTargets,
  RolloutRound,
  ConfiguredImage,
  RolloutLeader,
  KeptCopies,
];
