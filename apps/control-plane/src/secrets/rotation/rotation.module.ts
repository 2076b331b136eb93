import { Module } from '@nestjs/common';
import { DataKeyRotation } from './data-key-rotation.js';
import { MasterKeyRotation } from './master-key-rotation.js';
import { RetiredKeys } from './retired-keys.js';
import { SealedRowsRepository } from './sealed-rows.repository.js';

@Module({
  providers: [DataKeyRotation, MasterKeyRotation, SealedRowsRepository, RetiredKeys],
  exports: [DataKeyRotation, MasterKeyRotation],
})
export class RotationModule {}
