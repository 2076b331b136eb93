import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsOptional, IsString, Length, Max, Min } from 'class-validator';
import { PageQuery } from '../../http/cursor.js';
import { TENANT_STATUSES, type TenantStatus } from '../tenant-states.js';

/** Longest time that a closed tenant's data can be kept: ten years. */
const MAX_ERASE_DAYS = 3_650;

export class SuspendTenantDto {
  @ApiProperty({ maxLength: 500, description: 'Told to everybody of the tenant who is refused' })
  @IsString()
  @Length(1, 500)
  reason: string;
}

export class CloseTenantDto {
  @ApiPropertyOptional({ minimum: 0, maximum: MAX_ERASE_DAYS, description: 'Days until its data is erased' })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_ERASE_DAYS)
  eraseAfterDays?: number;
}

export class ListTenantsDto extends PageQuery {
  @ApiPropertyOptional({ enum: TENANT_STATUSES })
  @IsOptional()
  @IsIn(TENANT_STATUSES)
  status?: TenantStatus;

  @ApiPropertyOptional({ description: 'Part of the slug, the name or a host' })
  @IsOptional()
  @IsString()
  @Length(1, 120)
  q?: string;
}
