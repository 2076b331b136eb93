import { Module } from '@nestjs/common';
import { AdminAuditController } from './admin-audit.controller.js';
import { AuditChainReader } from './audit-chain.reader.js';
import { AuditController } from './audit.controller.js';
import { AuditRepository } from './audit.repository.js';
import { AuditService } from './audit.service.js';
import { AuditVerificationService } from './audit-verification.service.js';
import { AuditVerifier } from './audit-verifier.js';

/** Reading, exporting and verifying the audit log; `AuditLog`, which writes it, is global. */
@Module({
  controllers: [AuditController, AdminAuditController],
  providers: [AuditChainReader, AuditRepository, AuditService, AuditVerificationService, AuditVerifier],
  exports: [AuditService, AuditVerifier],
})
export class AuditModule {}
