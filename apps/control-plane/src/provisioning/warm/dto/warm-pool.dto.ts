import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsIn,
  IsInt,
  IsNumber,
  IsTimeZone,
  Matches,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { MOST_KINDS, WEEKDAYS, type Weekday } from '../warm-pool.settings.js';

/** May be left out, but never null. */
const IfGiven = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);
const TIME = /^([01]\d|2[0-3]):[0-5]\d$/;
const MOST_PER_HOST = 50;

export class WarmWindowDto {
  @ApiProperty({ enum: WEEKDAYS, isArray: true })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayUnique()
  @IsIn(WEEKDAYS, { each: true })
  days: Weekday[];

  @ApiProperty({ example: '08:00' })
  @Matches(TIME, { message: 'from must be a time such as 08:00' })
  from: string;

  @ApiProperty({ example: '20:00', description: 'Exclusive; not after `from`: it ends on the next day' })
  @Matches(TIME, { message: 'to must be a time such as 20:00' })
  to: string;

  @ApiProperty({ minimum: 0, maximum: MOST_PER_HOST })
  @IsInt()
  @Min(0)
  @Max(MOST_PER_HOST)
  size: number;
}

export class WarmKindDto {
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
}

/** The whole of what operators decide; what is left out gets its default. */
export class WarmPoolDto {
  @ApiPropertyOptional({ minimum: 0, maximum: MOST_PER_HOST, description: 'Of each kind on each host; 0: none' })
  @IfGiven()
  @IsInt()
  @Min(0)
  @Max(MOST_PER_HOST)
  size?: number;

  @ApiPropertyOptional({ minimum: 0, maximum: MOST_PER_HOST, description: 'Of all kinds together' })
  @IfGiven()
  @IsInt()
  @Min(0)
  @Max(MOST_PER_HOST)
  maxPerHost?: number;

  @ApiPropertyOptional({ description: 'IANA time zone of the schedule', example: 'Europe/Berlin' })
  @IfGiven()
  @IsTimeZone()
  timeZone?: string;

  @ApiPropertyOptional({ type: [WarmWindowDto], description: 'Hours with another size; the first that fits counts' })
  @IfGiven()
  @IsArray()
  @ArrayMaxSize(50)
  @ValidateNested({ each: true })
  @Type(() => WarmWindowDto)
  schedule?: WarmWindowDto[];

  @ApiPropertyOptional({
    type: [WarmKindDto],
    nullable: true,
    description: 'null: resources of tiers with dedicated gateways, those with most members first',
  })
  @ValidateIf((_, value) => value !== undefined && value !== null)
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(MOST_KINDS)
  @ArrayUnique(({ memoryMb }: WarmKindDto) => memoryMb, { message: 'kinds must differ in memoryMb' })
  @ValidateNested({ each: true })
  @Type(() => WarmKindDto)
  kinds?: WarmKindDto[] | null;

  @ApiPropertyOptional({ minimum: 0, maximum: 1_048_576, description: 'MiB of a host that stay free' })
  @IfGiven()
  @IsInt()
  @Min(0)
  @Max(1_048_576)
  memoryHeadroomMb?: number;

  @ApiPropertyOptional({
    minimum: 1,
    maximum: 100,
    description: 'In a row; then it stops until the image or a setting changes',
  })
  @IfGiven()
  @IsInt()
  @Min(1)
  @Max(100)
  maxFailures?: number;

  @ApiPropertyOptional({ minimum: 1, maximum: 8_760, description: 'An older one is replaced' })
  @IfGiven()
  @IsInt()
  @Min(1)
  @Max(8_760)
  ttlHours?: number;

  @ApiPropertyOptional({
    minimum: 0,
    maximum: 3_600,
    description: 'None is made before nothing has happened for so long',
  })
  @IfGiven()
  @IsInt()
  @Min(0)
  @Max(3_600)
  quietSeconds?: number;
}
