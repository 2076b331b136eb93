import type { Provider } from '@nestjs/common';
import { FindingsRepository } from './findings.repository.js';
import { FindingsService } from './findings.service.js';
import { HostRound } from './host-round.js';
import { Inventory } from './inventory.js';
import { StrayCollector } from './stray-collector.js';

export const inventoryProviders: Provider[] = [
  FindingsRepository,
  FindingsService,
  StrayCollector,
  HostRound,
  Inventory,
];
