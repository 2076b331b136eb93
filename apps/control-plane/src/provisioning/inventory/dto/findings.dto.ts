import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { PageQuery } from '../../../http/cursor.js';
import { STRAY_REASONS, type StrayReason } from '../comparison.js';

const STATES = ['open', 'quarantined', 'repaired', 'ignored', 'gone'] as const;

export class ListFindingsDto extends PageQuery {
  @ApiPropertyOptional({ enum: STATES })
  @IsOptional()
  @IsIn(STATES)
  state?: (typeof STATES)[number];
}

export class ConfirmFindingsDto {
  @ApiProperty({ description: 'Id of the host.' })
  @IsString()
  @MaxLength(64)
  hostId: string;

  @ApiProperty({ enum: STRAY_REASONS })
  @IsIn(STRAY_REASONS)
  reason: StrayReason;

  @ApiProperty({
    minimum: 1,
    description: 'How many there are as you see it: another number there means that something changed.',
  })
  @IsInt()
  @Min(1)
  @Max(100_000)
  count: number;
}
