import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsNumber, IsOptional, Matches, Max, Min, ValidateIf } from 'class-validator';

/** Null means no limit. Nothing may be left out: a limit that somebody forgot must not become none. */
const isNumberOrLeftOut = (_: unknown, value: unknown): boolean => value !== null;

function Limit(most: number, least = 0): PropertyDecorator {
  return (target, property) => {
    ApiProperty({ type: Number, nullable: true, minimum: least, maximum: most })(target, property);
    ValidateIf(isNumberOrLeftOut)(target, property);
    IsInt()(target, property);
    Min(least)(target, property);
    Max(most)(target, property);
  };
}

/** Days are UTC days. */
export class TierLimitsDto {
  @Limit(100_000)
  messagesPerHour: number | null;

  @Limit(100_000)
  sessions: number | null;

  @Limit(10_000_000)
  apiCallsPerDay: number | null;

  @Limit(100_000)
  smsPerDay: number | null;

  @Limit(1_000_000_000_000)
  tokensPerDay: number | null;

  @ApiProperty({ type: Number, nullable: true, minimum: 0, maximum: 1_000_000 })
  @ValidateIf(isNumberOrLeftOut)
  @IsNumber({ maxDecimalPlaces: 6 })
  @Min(0)
  @Max(1_000_000)
  costPerDayUsd: number | null;

  @Limit(1_000, 1)
  agents: number | null;
}

export class TierResourcesDto {
  @ApiProperty({ minimum: 0.1, maximum: 64 })
  @IsNumber({ maxDecimalPlaces: 2 })
  @Min(0.1)
  @Max(64)
  cpus: number;

  @ApiProperty({ minimum: 128, maximum: 131_072 })
  @IsInt()
  @Min(128)
  @Max(131_072)
  memoryMb: number;

  @ApiProperty({ minimum: 32, maximum: 32_768 })
  @IsInt()
  @Min(32)
  @Max(32_768)
  pids: number;

  @ApiPropertyOptional({
    type: Number,
    nullable: true,
    minimum: 16,
    maximum: 16_777_216,
    description: 'MiB of one agent’s folder; null: no limit',
  })
  @ValidateIf(isNumberOrLeftOut)
  @IsOptional()
  @IsInt()
  @Min(16)
  @Max(16_777_216)
  diskMb?: number | null;
}

export class TierIdlePolicyDto {
  @ApiProperty({ type: Number, nullable: true, minimum: 60, maximum: 2_592_000, description: 'null: never suspended' })
  @ValidateIf(isNumberOrLeftOut)
  @IsInt()
  @Min(60)
  @Max(2_592_000)
  suspendAfterSeconds: number | null;

  @ApiPropertyOptional({
    type: Number,
    nullable: true,
    minimum: 60,
    maximum: 31_536_000,
    description: 'Ended instead of frozen after this much idleness; null: never',
  })
  @ValidateIf(isNumberOrLeftOut)
  @IsOptional()
  @IsInt()
  @Min(60)
  @Max(31_536_000)
  stopAfterSeconds?: number | null;
}

export class TierBackupPolicyDto {
  @ApiProperty({ type: Number, nullable: true, minimum: 1, maximum: 8_760, description: 'null: none by itself' })
  @ValidateIf(isNumberOrLeftOut)
  @IsInt()
  @Min(1)
  @Max(8_760)
  everyHours: number | null;

  @ApiProperty({ minimum: 1, maximum: 3_650 })
  @IsInt()
  @Min(1)
  @Max(3_650)
  keepDays: number;
}

export class TierPriceDto {
  @ApiProperty({ example: 'EUR', description: 'ISO 4217' })
  @Matches(/^[A-Z]{3}$/)
  currency: string;

  @ApiProperty({ example: 2900, description: 'In minor units: cents.' })
  @IsInt()
  @Min(0)
  @Max(1_000_000_000)
  amount: number;

  @ApiProperty({ enum: ['month', 'year', 'once'] })
  @IsIn(['month', 'year', 'once'])
  interval: 'month' | 'year' | 'once';
}
