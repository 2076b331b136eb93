import { Module } from '@nestjs/common';
import { IdentityModule } from '../identity/identity.module.js';
import { TiersModule } from '../tiers/tiers.module.js';
import { TrustModule } from '../trust/trust.module.js';
import { OwnTenantController } from './own-tenant.controller.js';
import { TenantChanges } from './tenant-changes.js';
import { TenantLifecycleController } from './tenant-lifecycle.controller.js';
import { TenantLifecycle } from './tenant-lifecycle.service.js';
import { TenantSettingsService } from './tenant-settings.service.js';
import { TenantsController } from './tenants.controller.js';
import { TenantsRepository } from './tenants.repository.js';
import { TenantsService } from './tenants.service.js';

@Module({
  imports: [IdentityModule, TiersModule, TrustModule],
  controllers: [TenantsController, TenantLifecycleController, OwnTenantController],
  providers: [TenantsRepository, TenantChanges, TenantSettingsService, TenantLifecycle, TenantsService],
  exports: [TenantsService, TiersModule],
})
export class TenantsModule {}
