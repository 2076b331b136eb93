import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { decodeCursor, type Page, PageQuery, toPage } from '../http/cursor.js';
import { CurrentPrincipal, RequireScopes } from '../identity/decorators.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { AbortRolloutDto, NewRolloutDto, PauseRolloutDto, ResumeRolloutDto } from './dto/rollouts.dto.js';
import type { RolloutTargetView, RolloutView } from './rollout-view.js';
import { RolloutsService } from './rollouts.service.js';

@ApiTags('admin')
@Controller('v1/admin/rollouts')
export class RolloutsController {
  constructor(private readonly rollouts: RolloutsService) {}

  @Post()
  @RequireScopes('rollouts:write')
  @ApiOperation({
    summary: 'Bring an image to the fleet: canaries first, then batch by batch; replaces what is under way',
  })
  async create(@CurrentPrincipal() principal: Principal, @Body() body: NewRolloutDto): Promise<RolloutView> {
    const { image, policy = {}, scope = {} } = body;
    return this.rollouts.create({ image, policy: { ...policy }, scope: { ...scope } }, actorOf(principal));
  }

  @Get()
  @RequireScopes('rollouts:read')
  @ApiOperation({ summary: 'Rollouts, newest first' })
  async list(@Query() { cursor, limit }: PageQuery): Promise<Page<RolloutView>> {
    const rows = await this.rollouts.list(decodeCursor(cursor, 1)?.[0], limit + 1);
    return toPage(
      rows,
      limit,
      (row) => row,
      (row) => [row.id],
    );
  }

  @Get(':id')
  @RequireScopes('rollouts:read')
  @ApiOperation({ summary: 'One rollout and how far it is' })
  async get(@Param('id') id: string): Promise<RolloutView> {
    return this.rollouts.get(id);
  }

  @Get(':id/targets')
  @RequireScopes('rollouts:read')
  @ApiOperation({ summary: 'Its gateways, and what each came to' })
  async targets(@Param('id') id: string, @Query() { cursor, limit }: PageQuery): Promise<Page<RolloutTargetView>> {
    const rows = await this.rollouts.targets(id, decodeCursor(cursor, 1)?.[0], limit + 1);
    return toPage(
      rows,
      limit,
      (row) => row,
      (row) => [row.gatewayId],
    );
  }

  @Post(':id/pause')
  @HttpCode(200)
  @RequireScopes('rollouts:write')
  @ApiOperation({ summary: 'Begin nothing more; what is under way ends' })
  async pause(
    @CurrentPrincipal() by: Principal,
    @Param('id') id: string,
    @Body() body: PauseRolloutDto,
  ): Promise<RolloutView> {
    return this.rollouts.pause(id, actorOf(by), body.reason);
  }

  @Post(':id/resume')
  @HttpCode(200)
  @RequireScopes('rollouts:write')
  @ApiOperation({ summary: 'Go on; failures so far do not pause it again' })
  async resume(
    @CurrentPrincipal() by: Principal,
    @Param('id') id: string,
    @Body() body: ResumeRolloutDto,
  ): Promise<RolloutView> {
    return this.rollouts.resume(id, actorOf(by), body.retryFailed ?? false);
  }

  @Post(':id/abort')
  @HttpCode(200)
  @RequireScopes('rollouts:write')
  @ApiOperation({ summary: 'End it; what was upgraded stays so, or is sent back' })
  async abort(
    @CurrentPrincipal() by: Principal,
    @Param('id') id: string,
    @Body() body: AbortRolloutDto,
  ): Promise<RolloutView> {
    return this.rollouts.abort(id, actorOf(by), body.revert ?? false);
  }
}
