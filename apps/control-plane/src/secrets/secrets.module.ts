import { Module } from '@nestjs/common';
import { BrokerSealer } from './broker-sealer.js';
import { ProviderKeysController } from './provider-keys.controller.js';
import { ProviderKeysService } from './provider-keys.service.js';
import { RotationModule } from './rotation/rotation.module.js';
import { SecretsController } from './secrets.controller.js';
import { SecretsRepository } from './secrets.repository.js';
import { SecretsService } from './secrets.service.js';

/** Tenants' write-only secrets. The vault below it is global (core.module.ts). */
@Module({
  imports: [RotationModule],
  controllers: [SecretsController, ProviderKeysController],
  providers: [SecretsService, SecretsRepository, ProviderKeysService, BrokerSealer],
})
export class SecretsModule {}
