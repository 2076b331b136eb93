import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { PageQuery } from '../../http/cursor.js';
import { BACKUP_KINDS, type BackupKind } from '../backup-kinds.js';

export class NewBackupDto {
  @ApiPropertyOptional({ minimum: 1, maximum: 3650, description: 'Days to keep it; without: until it is deleted.' })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(3650)
  keepDays?: number;
}

export class RestoreBackupDto {
  @ApiPropertyOptional({
    description: 'The external id of another member, whose agent becomes a copy; without: its own.',
  })
  @IsOptional()
  @IsString()
  @MaxLength(128)
  into?: string;

  @ApiPropertyOptional({ description: 'Do not back up what is there now first.', default: false })
  @IsOptional()
  @IsBoolean()
  skipBackup?: boolean;
}

const STATUSES = ['pending', 'running', 'succeeded', 'failed', 'deleting'] as const;

export class ListBackupsDto extends PageQuery {
  @ApiPropertyOptional()
  @IsOptional()
  @IsString()
  @MaxLength(64)
  tenantId?: string;

  @ApiPropertyOptional()
  @IsOptional()
  @IsString()
  @MaxLength(64)
  agentId?: string;

  @ApiPropertyOptional({ enum: STATUSES })
  @IsOptional()
  @IsIn(STATUSES)
  status?: (typeof STATUSES)[number];

  @ApiPropertyOptional({ enum: BACKUP_KINDS })
  @IsOptional()
  @IsIn(BACKUP_KINDS)
  kind?: BackupKind;
}
