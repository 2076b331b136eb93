import { Module } from '@nestjs/common';
import { IdentityModule } from '../identity/identity.module.js';
import { TiersController } from '../tiers/tiers.controller.js';
import { TiersService } from '../tiers/tiers.service.js';
import { OwnTenantController } from './own-tenant.controller.js';
import { TenantChanges } from './tenant-changes.js';
import { TenantLifecycleController } from './tenant-lifecycle.controller.js';
import { TenantLifecycle } from './tenant-lifecycle.service.js';
import { TenantSettingsService } from './tenant-settings.service.js';
import { TenantsController } from './tenants.controller.js';
import { TenantsRepository } from './tenants.repository.js';
import { TenantsService } from './tenants.service.js';

@Module({
  imports: [IdentityModule],
  controllers: [TiersController, TenantsController, TenantLifecycleController, OwnTenantController],
  providers: [TenantsRepository, TenantChanges, TenantSettingsService, TenantLifecycle, TenantsService, TiersService],
  exports: [TenantsService, TiersService],
})
export class TenantsModule {}
