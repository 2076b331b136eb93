import { Module } from '@nestjs/common';
import { Metrics } from '#libs/telemetry';
import { BackupCoreModule } from '../../backups/backup-core.module.js';
import { CoreModule } from '../../core.module.js';
import { gatewayDriverProvider } from '../../fleet/driver.provider.js';
import { HostConnector } from '../../fleet/host-connector.js';
import { HostCredentialStore } from '../../fleet/host-credentials.js';
import { HostDrivers } from '../../fleet/host-drivers.js';
import { RoutePublisher } from '../../routing/route-publisher.js';
import { CallMetrics } from '../metrics/call-metrics.js';
import { LeaseGuard } from '../lease-guard.js';
import { WakerModule } from '../waker.module.js';
import { DoctorCommand } from './doctor-command.js';
import { doctorProviders } from './doctor.providers.js';

/** What `wirebot doctor` needs: no listeners, no reconciler. */
@Module({
  imports: [CoreModule, WakerModule, BackupCoreModule],
  providers: [
    gatewayDriverProvider,
    { provide: Metrics, useFactory: () => new Metrics('doctor') },
    CallMetrics,
    LeaseGuard,
    HostConnector,
    HostCredentialStore,
    HostDrivers,
    RoutePublisher,
    ...doctorProviders,
    DoctorCommand,
  ],
})
export class DoctorCommandModule {}
