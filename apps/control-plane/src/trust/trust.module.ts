import { Module } from '@nestjs/common';
import { WakerModule } from '../provisioning/waker.module.js';
import { CeilingAnnouncer } from './ceiling-announcer.js';
import { CeilingChanges } from './ceiling-changes.js';
import { CeilingsReader } from './ceilings.reader.js';
import { TransitionsRepository } from './transitions.repository.js';
import { TrustRevocations } from './trust-revocations.js';
import { TrustService } from './trust.service.js';

/** How far members may go, and what has to happen when that changes; what changes it is in `TrustChangesModule`. */
@Module({
  imports: [WakerModule],
  providers: [CeilingAnnouncer, CeilingChanges, CeilingsReader, TransitionsRepository, TrustRevocations, TrustService],
  exports: [CeilingAnnouncer, CeilingChanges, CeilingsReader, TransitionsRepository, TrustService],
})
export class TrustModule {}
