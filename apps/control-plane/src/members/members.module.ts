import { Module } from '@nestjs/common';
import { OperationsModule } from '../operations/operations.module.js';
import { ProvisioningModule } from '../provisioning/provisioning.module.js';
import { OlderProvisioningController } from '../tenants/older-provisioning.controller.js';
import { TrustModule } from '../trust/trust.module.js';
import { MembersController } from './members.controller.js';
import { MembersRepository } from './members.repository.js';
import { MembersService } from './members.service.js';

@Module({
  imports: [OperationsModule, ProvisioningModule, TrustModule],
  controllers: [MembersController, OlderProvisioningController],
  providers: [MembersRepository, MembersService],
  exports: [MembersRepository],
})
export class MembersModule {}
