import type { Provider, Type } from '@nestjs/common';
import { AgentMovesController } from '../../fleet/agent-moves.controller.js';
import { AgentMovesService } from '../../fleet/agent-moves.service.js';
import { CellBalance } from '../../fleet/cells/cell-balance.js';
import { HostActionsController } from '../../fleet/host-actions.controller.js';
import { HostActionsService } from '../../fleet/host-actions.service.js';
import { HostConnector } from '../../fleet/host-connector.js';
import { HostCredentialStore } from '../../fleet/host-credentials.js';
import { HostDrain } from '../../fleet/host-drain.js';
import { HostLanes } from '../../fleet/host-lanes.js';
import { HostProbe } from '../../fleet/host-probe.js';
import { HostStates } from '../../fleet/host-states.js';
import { HostWatch } from '../../fleet/host-watch.js';
import { HostsAdminService } from '../../fleet/hosts-admin.service.js';
import { HostsController } from '../../fleet/hosts.controller.js';
import { HostsRepository } from '../../fleet/hosts.repository.js';
import { HostGate } from './host-gate.js';
import { LostAgents } from './lost-agents.js';
import { LostGateways } from './lost-gateways.js';

/** Hosts: how they are reached, watched, emptied and given up. */
export const HOST_CONTROLLERS: Type[] = [HostsController, HostActionsController, AgentMovesController];
export const HOST_PROVIDERS: Provider[] = [
  HostConnector,
  HostCredentialStore,
  HostLanes,
  HostGate,
  LostGateways,
  LostAgents,
  HostStates,
  HostWatch,
  HostDrain,
  CellBalance,
  HostsRepository,
  HostProbe,
  HostsAdminService,
  HostActionsService,
  AgentMovesService,
];
