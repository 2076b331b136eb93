import { Module } from '@nestjs/common';
import { CoreModule } from '../core.module.js';
import { AuditCommand } from './audit-command.js';
import { AuditModule } from './audit.module.js';

/** What `wirebot audit` needs: no listeners, no reconciler. */
@Module({ imports: [CoreModule, AuditModule], providers: [AuditCommand] })
export class AuditCommandModule {}
