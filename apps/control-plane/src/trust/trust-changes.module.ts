import { Module } from '@nestjs/common';
import { WakerModule } from '../provisioning/waker.module.js';
import { CeilingAnnouncer } from './ceiling-announcer.js';
import { CeilingChanges } from './ceiling-changes.js';
import { CeilingsReader } from './ceilings.reader.js';
import { InvitationAcceptance } from './invitation-acceptance.js';
import { MemberTrustController } from './member-trust.controller.js';
import { MemberTrustService } from './member-trust.service.js';
import { OwnTrustController } from './own-trust.controller.js';
import { TransitionsRepository } from './transitions.repository.js';
import { TrustCaps } from './trust-caps.js';
import { TrustInvitationsController } from './trust-invitations.controller.js';
import { TrustInvitationsService } from './trust-invitations.service.js';
import { TrustMembersRepository } from './trust-members.repository.js';
import { TrustRevocations } from './trust-revocations.js';
import { TrustSignals } from './trust-signals.js';
import { TrustUpkeep } from './trust-upkeep.js';
import { TrustModule } from './trust.module.js';

/** What raises and lowers members, apart from `TrustModule`, which only says how far they may go. */
@Module({
  imports: [TrustModule, WakerModule],
  controllers: [MemberTrustController, TrustInvitationsController, OwnTrustController],
  providers: [
    CeilingAnnouncer,
    CeilingChanges,
    CeilingsReader,
    InvitationAcceptance,
    MemberTrustService,
    TransitionsRepository,
    TrustCaps,
    TrustInvitationsService,
    TrustMembersRepository,
    TrustRevocations,
    TrustSignals,
    TrustUpkeep,
  ],
  exports: [CeilingChanges, TrustSignals],
})
export class TrustChangesModule {}
