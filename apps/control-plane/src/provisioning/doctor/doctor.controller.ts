import { Controller, Get, HttpCode, Post, Req } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CurrentPrincipal, RequireScopes } from '../../identity/decorators.js';
import { actorOf, type Principal } from '../../identity/principal.js';
import { Doctor } from './doctor.js';
import { type DiagnosisView, toDiagnosisView, toTreatmentView, type TreatmentView } from './doctor.views.js';

@ApiTags('admin')
@Controller('v1/admin/doctor')
export class DoctorController {
  constructor(private readonly doctor: Doctor) {}

  @Get()
  @RequireScopes('gateways:read')
  @ApiOperation({ summary: 'What is wrong, in sentences, and what repair would do about it' })
  async examine(@Req() request: FastifyRequest): Promise<DiagnosisView> {
    return toDiagnosisView(await this.doctor.examine(request.signal));
  }

  @Post('repair')
  @HttpCode(200)
  @RequireScopes('gateways:write')
  @ApiOperation({ summary: 'Repair what can be repaired without destroying anything, and look again' })
  async repair(@CurrentPrincipal() principal: Principal, @Req() request: FastifyRequest): Promise<TreatmentView> {
    return toTreatmentView(await this.doctor.repair(actorOf(principal), request.signal));
  }
}
