import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentUser, SignedIn } from '../decorators.js';
import { type AccountSessionView, AccountSessionsService } from './account-sessions.service.js';
import { ChangePasswordDto, ProveDto } from './dto/links.dto.js';
import { PasswordsService } from './passwords.service.js';
import { RecentProof } from './recent-proof.js';

/** What somebody who is signed in does about their own account. */
@ApiTags('session')
@SignedIn()
@Controller('v1/session')
export class AccountController {
  constructor(
    private readonly sessions: AccountSessionsService,
    private readonly passwords: PasswordsService,
    private readonly proof: RecentProof,
  ) {}

  @Post('prove')
  @HttpCode(200)
  @ApiOperation({ summary: 'Prove who you are once more, for changes that want it' })
  async prove(
    @CurrentUser() { userId, sessionId }: CurrentUser,
    @Body() body: ProveDto,
  ): Promise<{ readonly provedUntil: string }> {
    return this.proof.prove(userId, sessionId, body);
  }

  @Put('password')
  @HttpCode(204)
  @ApiOperation({ summary: 'Set the password, with the current one or a recent proof; other sessions end' })
  async changePassword(
    @CurrentUser() { userId, sessionId }: CurrentUser,
    @Body() { currentPassword, newPassword }: ChangePasswordDto,
  ): Promise<void> {
    if (currentPassword === undefined) await this.proof.require(sessionId);
    else await this.proof.checkPassword(userId, currentPassword);
    await this.passwords.change(userId, sessionId, newPassword);
  }

  @Get('sessions')
  @ApiOperation({ summary: 'Where you are signed in' })
  async list(
    @CurrentUser() { userId, sessionId }: CurrentUser,
  ): Promise<{ items: AccountSessionView[]; nextCursor: null }> {
    return { items: await this.sessions.list(userId, sessionId), nextCursor: null };
  }

  @Delete('sessions/:id')
  @HttpCode(204)
  @ApiOperation({ summary: 'End one of your sessions' })
  async revoke(@CurrentUser() { userId }: CurrentUser, @Param('id') id: string): Promise<void> {
    await this.sessions.revoke(userId, id);
  }

  @Delete('sessions')
  @HttpCode(200)
  @ApiOperation({ summary: 'End all your sessions but this one' })
  async revokeOthers(@CurrentUser() { userId, sessionId }: CurrentUser): Promise<{ readonly ended: number }> {
    return this.sessions.revokeOthers(userId, sessionId);
  }
}
