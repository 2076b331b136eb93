import { Module } from '@nestjs/common';
import { TrustChangesModule } from '../trust/trust-changes.module.js';
import { OwnUsageController } from './own-usage.controller.js';
import { QuotaAlerts } from './quota-alerts.js';
import { QuotaLeasesService } from './quota-leases.service.js';
import { QuotaRepository } from './quota.repository.js';
import { ReportedSignals } from './reported-signals.js';
import { UsageAdminController } from './usage-admin.controller.js';
import { UsageController } from './usage.controller.js';
import { UsageIntakeController } from './usage-intake.controller.js';
import { UsageIntakeRepository } from './usage-intake.repository.js';
import { UsageIntakeService } from './usage-intake.service.js';
import { UsageRepository } from './usage.repository.js';
import { UsageService } from './usage.service.js';
import { UsageUpkeep } from './usage-upkeep.js';

/** What model calls take: reported by proxies, promised to them in advance, shown to whoever pays. */
@Module({
  imports: [TrustChangesModule],
  controllers: [UsageIntakeController, UsageController, OwnUsageController, UsageAdminController],
  providers: [
    QuotaRepository,
    QuotaLeasesService,
    QuotaAlerts,
    ReportedSignals,
    UsageIntakeRepository,
    UsageIntakeService,
    UsageRepository,
    UsageService,
    UsageUpkeep,
  ],
})
export class UsageModule {}
