import { Module } from '@nestjs/common';
import { MailModule } from '../../mail/mail.module.js';
import { IdentityModule } from '../identity.module.js';
import { AdminUsersController } from './admin-users.controller.js';
import { AdminUsersService } from './admin-users.service.js';
import { InvitedUsers } from './invited-users.js';
import { StaffController } from './staff.controller.js';
import { StaffRepository } from './staff.repository.js';
import { StaffService } from './staff.service.js';

/** Who may sign in, and what for: users of the platform and the staff of tenants. */
@Module({
  imports: [IdentityModule, MailModule],
  controllers: [StaffController, AdminUsersController],
  providers: [AdminUsersService, InvitedUsers, StaffRepository, StaffService],
})
export class StaffModule {}
