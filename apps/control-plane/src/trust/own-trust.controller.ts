import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentMember } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { AcceptOwnInvitationDto } from './dto/trust.dto.js';
import { InvitationAcceptance } from './invitation-acceptance.js';

@ApiTags('me')
@Controller('v1/me/trust-invitations')
export class OwnTrustController {
  constructor(private readonly acceptance: InvitationAcceptance) {}

  @Post('accept')
  @HttpCode(204)
  @ApiOperation({ summary: 'Take up an invitation of one’s own; the next token has the new mode' })
  async accept(
    @CurrentMember() member: Extract<Principal, { kind: 'member' }>,
    @Body() body: AcceptOwnInvitationDto,
  ): Promise<void> {
    const { tenantId, memberId } = member;
    await this.acceptance.accept({ tenantId, actor: actorOf(member) }, memberId, body.code);
  }
}
