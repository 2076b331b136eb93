import { Controller, Delete, Get, HttpCode, Param } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentUser, SignedIn } from '../decorators.js';
import { RecentProof } from '../sign-in/recent-proof.js';
import { IdentitiesService, type IdentityView } from './identities.service.js';

@ApiTags('session')
@SignedIn()
@Controller('v1/session/identities')
export class IdentitiesController {
  constructor(
    private readonly identities: IdentitiesService,
    private readonly proof: RecentProof,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Your accounts at identity providers, oldest first' })
  async list(@CurrentUser() { userId }: CurrentUser): Promise<{ items: IdentityView[]; nextCursor: null }> {
    return { items: await this.identities.list(userId), nextCursor: null };
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Unlink an account, never the last way to sign in; needs a recent proof' })
  async remove(@CurrentUser() user: CurrentUser, @Param('id') id: string): Promise<void> {
    await this.proof.require(user.sessionId);
    await this.identities.remove(user.userId, id);
  }
}
