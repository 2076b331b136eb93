import { Module } from '@nestjs/common';
import { IdentityModule } from '../identity/identity.module.js';
import { TiersController } from '../tiers/tiers.controller.js';
import { TiersService } from '../tiers/tiers.service.js';
import { TenantsController } from './tenants.controller.js';
import { TenantsService } from './tenants.service.js';

@Module({
  imports: [IdentityModule],
  controllers: [TiersController, TenantsController],
  providers: [TenantsService, TiersService],
  exports: [TenantsService, TiersService],
})
export class TenantsModule {}
