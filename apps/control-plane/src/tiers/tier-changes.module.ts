import { Module } from '@nestjs/common';
import { OperationsModule } from '../operations/operations.module.js';
import { TrustModule } from '../trust/trust.module.js';
import { TierApplication } from './tier-application.js';
import { TierChangesService } from './tier-changes.service.js';
import { TierEffects } from './tier-effects.js';
import { TierPlanner } from './tier-plan.js';
import { TierPreviewService } from './tier-preview.service.js';
import { TierRecords } from './tier-records.js';
import { TierTemplatesController } from './tier-templates.controller.js';
import { TierVersionsService } from './tier-versions.service.js';
import { TiersController } from './tiers.controller.js';
import { TiersModule } from './tiers.module.js';

/** Apart from `TiersModule`, which a process without listeners uses to give a new tenant its tiers. */
@Module({
  imports: [TiersModule, OperationsModule, TrustModule],
  controllers: [TiersController, TierTemplatesController],
  providers: [
    TierApplication,
    TierChangesService,
    TierEffects,
    TierPlanner,
    TierPreviewService,
    TierRecords,
    TierVersionsService,
  ],
})
export class TierChangesModule {}
