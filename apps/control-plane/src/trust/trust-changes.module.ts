import { Module } from '@nestjs/common';
import { InvitationAcceptance } from './invitation-acceptance.js';
import { MemberTrustController } from './member-trust.controller.js';
import { MemberTrustService } from './member-trust.service.js';
import { OwnTrustController } from './own-trust.controller.js';
import { TrustCaps } from './trust-caps.js';
import { TrustInvitationsController } from './trust-invitations.controller.js';
import { TrustInvitationsService } from './trust-invitations.service.js';
import { TrustMembersRepository } from './trust-members.repository.js';
import { TrustSignals } from './trust-signals.js';
import { TrustUpkeep } from './trust-upkeep.js';
import { TrustModule } from './trust.module.js';

/** What raises and lowers single members: invitations, downgrades, suspicious signals, time. */
@Module({
  imports: [TrustModule],
  controllers: [MemberTrustController, TrustInvitationsController, OwnTrustController],
  providers: [
    InvitationAcceptance,
    MemberTrustService,
    TrustCaps,
    TrustInvitationsService,
    TrustMembersRepository,
    TrustSignals,
    TrustUpkeep,
  ],
  exports: [TrustSignals],
})
export class TrustChangesModule {}
