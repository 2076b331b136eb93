import { Module } from '@nestjs/common';
import { GatewayRuntime } from '#libs/runtimes/core';
import { WirebotRuntime } from '#libs/runtimes/wirebot';
import { gatewayDriverProvider } from '../fleet/driver.provider.js';
import { careControllers, careProviders } from '../fleet/care.providers.js';
import { GatewaysController } from '../fleet/gateways.controller.js';
import { GatewaysService } from '../fleet/gateways.service.js';
import { HostsService } from '../fleet/hosts.service.js';
import { HOST_CONTROLLERS, HOST_PROVIDERS } from './hosts/hosts.providers.js';
import { BackupCoreModule } from '../backups/backup-core.module.js';
import { rolloutControllers, rolloutProviders } from '../rollouts/rollouts.providers.js';
import { OperationsModule } from '../operations/operations.module.js';
import { RouteFeedController } from '../routing/route-feed.controller.js';
import { RouteFeedService } from '../routing/route-feed.service.js';
import { RoutePublisher } from '../routing/route-publisher.js';
import { GatewaySecretReader } from '../secrets/gateway-secret.reader.js';
import { ProviderKeyReader } from '../secrets/provider-key.reader.js';
import { MemberExportRunnerModule } from '../members/export/member-export-runner.module.js';
import { TenantErasureModule } from '../tenants/tenant-erasure.module.js';
import { AgentMover } from './agent-mover.js';
import { AgentReconciler } from './agent-reconciler.js';
import { AgentRetirement } from './agent-retirement.js';
import { ConfigCompiler } from './config-compiler.js';
import { ControlPlaneConfig } from '#libs/config';
import { FleetWatch } from '../fleet/fleet-watch.js';
import { HostDrivers } from '../fleet/host-drivers.js';
import { AgentRestore } from './agent-restore.js';
import { GatewayHost } from './gateway-host.js';
import { GatewayPorts } from './gateway-ports.js';
import { GatewayQuarantine } from './gateway-quarantine.js';
import { GatewayEnd } from './gateway-end.js';
import { GatewayRows } from './gateway-rows.js';
import { GatewayRun } from './gateway-run.js';
import { GatewayUpgrade } from './gateway-upgrade.js';
import { inventoryProviders } from './inventory/inventory.providers.js';
import { upgradeProviders } from './upgrades/upgrade.providers.js';
import { LeaseGuard } from './lease-guard.js';
import { CallMetrics } from './metrics/call-metrics.js';
import { watchProviders } from './metrics/metrics.providers.js';
import { PhaseMetrics } from './phase-metrics.js';
import { StepBreaker } from './step-breaker.js';
import { sleepControllers, sleepProviders } from './sleep/sleep.providers.js';
import { Wakes } from './sleep/wakes.js';
import { StepObserver } from './steps.js';
import { UpkeepModule } from './upkeep/upkeep.module.js';
import { warmProviders } from './warm/warm.providers.js';
import { WarmPoolController } from './warm/warm-pool.controller.js';
import { GatewayReconciler } from './gateway-reconciler.js';
import { Housekeeping } from './housekeeping.js';
import { PlacementService } from './placement.service.js';
import { ReconcileLoop } from './reconcile-loop.js';
import { ResourcesRepository } from './resources.repository.js';
import { RestoredRows } from './restored-rows.js';
import { WakerModule } from './waker.module.js';

/** What a gateway is only asked, which needs no lease. */
const RUNTIME_READS: ReadonlySet<string> = new Set(['status', 'snapshotAgent', 'close']);

/** Makes rows true: reconcilers, the host they work on, and the routes that come out of it. */
@Module({
  imports: [
    BackupCoreModule,
    OperationsModule,
    WakerModule,
    UpkeepModule,
    TenantErasureModule,
    MemberExportRunnerModule,
  ],
  controllers: [
    GatewaysController,
    ...HOST_CONTROLLERS,
    ...careControllers,
    RouteFeedController,
    ...sleepControllers,
    WarmPoolController,
    ...rolloutControllers,
  ],
  providers: [
    gatewayDriverProvider,
    {
      provide: GatewayRuntime,
      inject: [LeaseGuard, CallMetrics],
      useFactory: (guard: LeaseGuard, calls: CallMetrics) =>
        guard.guarded(calls.measured(new WirebotRuntime(), 'runtime'), RUNTIME_READS),
    },
    {
      provide: StepObserver,
      inject: [ControlPlaneConfig],
      useFactory: ({ provisioning }: ControlPlaneConfig) =>
        provisioning.drillDir ? new StepBreaker(provisioning.drillDir) : new StepObserver(),
    },
    PhaseMetrics,
    ...watchProviders,
    ResourcesRepository,
    LeaseGuard,
    HostDrivers,
    FleetWatch,
    HostsService,
    PlacementService,
    ConfigCompiler,
    GatewayHost,
    ...HOST_PROVIDERS,
    GatewayQuarantine,
    RestoredRows,
    GatewayPorts,
    GatewayRows,
    GatewayRun,
    GatewayEnd,
    ...sleepProviders,
    ...warmProviders,
    GatewayUpgrade,
    ...upgradeProviders,
    GatewayReconciler,
    AgentRestore,
    AgentMover,
    AgentRetirement,
    AgentReconciler,
    ...inventoryProviders,
    Housekeeping,
    ReconcileLoop,
    RoutePublisher,
    RouteFeedService,
    ProviderKeyReader,
    GatewaySecretReader,
    GatewaysService,
    ...careProviders,
    ...rolloutProviders,
  ],
  exports: [WakerModule, Wakes, ResourcesRepository, GatewayRuntime, StepObserver],
})
export class ProvisioningModule {}
