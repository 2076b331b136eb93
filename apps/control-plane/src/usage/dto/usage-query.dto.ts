import { ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { IsIn, IsOptional, Matches } from 'class-validator';
import { USAGE_GROUPS, type UsageGroupBy } from '#libs/contracts';
import { PageQuery } from '../../http/cursor.js';

const DAY = /^\d{4}-\d{2}-\d{2}$/;

export class UsageRangeDto {
  @ApiPropertyOptional({ description: 'First day, UTC; 29 days before the last one by default', example: '2026-11-01' })
  @IsOptional()
  @Matches(DAY, { message: 'from must be a day such as 2026-11-01' })
  from?: string;

  @ApiPropertyOptional({ description: 'Last day, UTC, included; today by default', example: '2026-11-30' })
  @IsOptional()
  @Matches(DAY, { message: 'to must be a day such as 2026-11-30' })
  to?: string;
}

export class UsagePageDto extends IntersectionType(UsageRangeDto, PageQuery) {}

export class UsageQueryDto extends UsagePageDto {
  @ApiPropertyOptional({ enum: USAGE_GROUPS, default: 'day' })
  @IsOptional()
  @IsIn(USAGE_GROUPS)
  groupBy: UsageGroupBy = 'day';
}

export class UsageExportDto extends UsageRangeDto {
  @ApiPropertyOptional({ enum: ['csv', 'json'], default: 'csv' })
  @IsOptional()
  @IsIn(['csv', 'json'])
  format: 'csv' | 'json' = 'csv';
}
