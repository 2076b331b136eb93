import { Module } from '@nestjs/common';
import { MembersModule } from '../members/members.module.js';
import { OperationsModule } from '../operations/operations.module.js';
import { AdminController } from './admin.controller.js';
import { AdminService } from './admin.service.js';

@Module({ imports: [MembersModule, OperationsModule], controllers: [AdminController], providers: [AdminService] })
export class AdminModule {}
