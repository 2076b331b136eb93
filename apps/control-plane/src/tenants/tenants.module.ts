import { Module } from '@nestjs/common';
import { TiersController } from '../tiers/tiers.controller.js';
import { TiersService } from '../tiers/tiers.service.js';
import { TenantsService } from './tenants.service.js';

@Module({ controllers: [TiersController], providers: [TenantsService, TiersService], exports: [TenantsService, TiersService] })
export class TenantsModule {}
