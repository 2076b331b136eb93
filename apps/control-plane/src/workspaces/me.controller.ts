import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentMember } from '../identity/decorators.js';
import type { Principal } from '../identity/principal.js';
import { type OwnProfile, OwnProfileService } from './own-profile.service.js';

@ApiTags('me')
@Controller('v1/me')
export class MeController {
  constructor(private readonly profiles: OwnProfileService) {}

  @Get()
  @ApiOperation({ summary: 'Who you are, by your token' })
  async get(@CurrentMember() member: Extract<Principal, { kind: 'member' }>): Promise<OwnProfile> {
    return this.profiles.get(member.tenantId, member.memberId, member.workspaceId);
  }
}
