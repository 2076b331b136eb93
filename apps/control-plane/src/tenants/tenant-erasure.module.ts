import { Module } from '@nestjs/common';
import { TenantChanges } from './tenant-changes.js';
import { TenantErasure } from './tenant-erasure.service.js';
import { TenantRows } from './tenant-rows.js';
import { TenantsRepository } from './tenants.repository.js';

/** The part of tenants that a worker runs; apart from their API, so that the worker needs nothing of it. */
@Module({
  providers: [TenantsRepository, TenantChanges, TenantRows, TenantErasure],
  exports: [TenantErasure],
})
export class TenantErasureModule {}
