import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { WakeAnswer } from '#libs/contracts';
import { Wakes } from '../provisioning/sleep/wakes.js';
import { WakeDto } from './wake.dto.js';

/** For proxies only: a client waits for an agent that sleeps. */
@ApiExcludeController()
@Controller('internal/wake')
export class WakeController {
  constructor(private readonly wakes: Wakes) {}

  @Post()
  @HttpCode(202)
  async wake(@Body() { agentId }: WakeDto): Promise<WakeAnswer> {
    return this.wakes.agent(agentId);
  }
}
