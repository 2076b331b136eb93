import { ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { IsIn, IsISO8601, IsOptional, IsString, Length, Matches } from 'class-validator';
import { PageQuery } from '../../http/cursor.js';

/** `from` and `to` say when, `to` excluded; the rest must match exactly, `action` also as a beginning (`member.`). */
class AuditFilterDto {
  @ApiPropertyOptional({ example: 'key:key_01hx…', maxLength: 160 })
  @IsOptional()
  @IsString()
  @Length(1, 160)
  actor?: string;

  @ApiPropertyOptional({ description: 'A whole action or the beginning of one', example: 'member.', maxLength: 80 })
  @IsOptional()
  @Matches(/^[a-z][a-z0-9.-]{0,79}$/)
  action?: string;

  @ApiPropertyOptional({ example: 'member', maxLength: 80 })
  @IsOptional()
  @Matches(/^[a-z][a-z0-9-]{0,79}$/)
  resource?: string;

  @ApiPropertyOptional({ maxLength: 160 })
  @IsOptional()
  @IsString()
  @Length(1, 160)
  resourceId?: string;

  @ApiPropertyOptional({ description: 'The x-request-id of the call that made the change', maxLength: 64 })
  @IsOptional()
  @IsString()
  @Length(1, 64)
  requestId?: string;

  @ApiPropertyOptional({ format: 'date-time' })
  @IsOptional()
  @IsISO8601({ strict: true })
  from?: string;

  @ApiPropertyOptional({ format: 'date-time' })
  @IsOptional()
  @IsISO8601({ strict: true })
  to?: string;
}

class OfTenantDto {
  @ApiPropertyOptional({ description: 'Id of a tenant, or `platform` for lines about no tenant', maxLength: 64 })
  @IsOptional()
  @IsString()
  @Length(1, 64)
  tenantId?: string;
}

export const EXPORT_FORMATS = ['jsonl', 'csv'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export class AuditQueryDto extends IntersectionType(PageQuery, AuditFilterDto) {}

export class AdminAuditQueryDto extends IntersectionType(AuditQueryDto, OfTenantDto) {}

export class AuditExportDto extends AuditFilterDto {
  @ApiPropertyOptional({ enum: EXPORT_FORMATS, default: 'jsonl' })
  @IsOptional()
  @IsIn(EXPORT_FORMATS)
  format: ExportFormat = 'jsonl';
}

export class AdminAuditExportDto extends IntersectionType(AuditExportDto, OfTenantDto) {}
