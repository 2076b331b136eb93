import type { Provider } from '@nestjs/common';
import { DiskWatch } from '../disk/disk-watch.js';
import { CallMetrics } from './call-metrics.js';
import { FleetGauges } from './fleet-gauges.js';
import { ReconcileMetrics } from './reconcile-metrics.js';

/** What is measured of the fleet, and watched. */
export const watchProviders: Provider[] = [CallMetrics, ReconcileMetrics, FleetGauges, DiskWatch];
