import { Module } from '@nestjs/common';
import { IdentityModule } from '../identity/identity.module.js';
import { TenantsModule } from '../tenants/tenants.module.js';
import { KeysController } from './keys.controller.js';
import { KeysRepository } from './keys.repository.js';
import { KeysService } from './keys.service.js';
import { OperatorKeysController } from './operator-keys.controller.js';

/** Making, rotating and revoking API keys. Recognising them is `identity/`. */
@Module({
  imports: [IdentityModule, TenantsModule],
  controllers: [KeysController, OperatorKeysController],
  providers: [KeysRepository, KeysService],
})
export class ApiKeysModule {}
