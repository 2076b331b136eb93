import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { QuotaAnswer, UsageReceipt } from '#libs/contracts';
import { QuotaCallDto } from './dto/quota-call.dto.js';
import { UsageBatchDto } from './dto/usage-batch.dto.js';
import { QuotaLeasesService } from './quota-leases.service.js';
import { ReportedSignals } from './reported-signals.js';
import { UsageIntakeService } from './usage-intake.service.js';

/** For proxies only: the access guard asks for their credential below /internal. */
@ApiExcludeController()
@Controller('internal')
export class UsageIntakeController {
  constructor(
    private readonly intake: UsageIntakeService,
    private readonly leases: QuotaLeasesService,
    private readonly signals: ReportedSignals,
  ) {}

  @Post('usage')
  @HttpCode(200)
  async report(@Body() body: UsageBatchDto): Promise<UsageReceipt> {
    await this.signals.pass(body.signals);
    return this.intake.take(body.records);
  }

  @Post('quota/leases')
  @HttpCode(200)
  async lease(@Body() body: QuotaCallDto): Promise<QuotaAnswer> {
    return this.leases.serve(body);
  }
}
