import { ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsFQDN,
  IsHexColor,
  IsIn,
  IsInt,
  IsLocale,
  IsNumber,
  IsObject,
  IsString,
  IsTimeZone,
  Length,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { TRUST_MODES } from '#libs/trust';

/** May be left out, but never null. */
const IfGiven = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);
/** May be left out, and null: no limit. */
const UnlessNull = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined && value !== null);

const MAX_TOKENS = 1_000_000_000_000;
const MAX_USD = 1_000_000_000;

export class BrandDto {
  @ApiPropertyOptional({ maxLength: 120, description: 'What members see as the name' })
  @IfGiven()
  @IsString()
  @Length(1, 120)
  name?: string;

  @ApiPropertyOptional({ example: '#0b7285' })
  @IfGiven()
  @IsHexColor()
  accent?: string;

  @ApiPropertyOptional({ maxLength: 200 })
  @IfGiven()
  @IsString()
  @Length(1, 200)
  greeting?: string;
}

/** What a tenant changes about itself. */
export class ChangeTenantDto {
  @ApiPropertyOptional({ maxLength: 120 })
  @IfGiven()
  @IsString()
  @Length(1, 120)
  name?: string;

  @ApiPropertyOptional({ type: BrandDto })
  @IfGiven()
  @IsObject()
  @ValidateNested()
  @Type(() => BrandDto)
  brand?: BrandDto;

  @ApiPropertyOptional({ description: 'IANA time zone of new members', example: 'Europe/Berlin' })
  @IfGiven()
  @IsTimeZone()
  timeZone?: string;

  @ApiPropertyOptional({ description: 'Locale of new members', example: 'en' })
  @IfGiven()
  @IsLocale()
  locale?: string;

  @ApiPropertyOptional({ enum: TRUST_MODES, description: 'No member goes above it' })
  @IfGiven()
  @IsIn(TRUST_MODES)
  trustCeiling?: number;
}

export class TenantLimitsDto {
  @ApiPropertyOptional({ type: Number, nullable: true, description: 'Of all members together, per UTC day' })
  @UnlessNull()
  @IsInt()
  @Min(0)
  @Max(MAX_TOKENS)
  tokensPerDay?: number | null;

  @ApiPropertyOptional({ type: Number, nullable: true, description: 'Of all members together, per UTC day' })
  @UnlessNull()
  @IsNumber({ maxDecimalPlaces: 6 })
  @Min(0)
  @Max(MAX_USD)
  costPerDayUsd?: number | null;
}

/** What an operator decides about a tenant. */
export class ChangePlatformSettingsDto {
  @ApiPropertyOptional({ enum: TRUST_MODES, description: 'No member goes above it, whatever the tenant says' })
  @IfGiven()
  @IsIn(TRUST_MODES)
  platformTrustCeiling?: number;

  @ApiPropertyOptional({ type: TenantLimitsDto })
  @IfGiven()
  @IsObject()
  @ValidateNested()
  @Type(() => TenantLimitsDto)
  limits?: TenantLimitsDto;

  @ApiPropertyOptional({ type: [String], description: 'Every host name that belongs to it' })
  @IfGiven()
  @IsArray()
  @ArrayMaxSize(20)
  @IsFQDN({ require_tld: false }, { each: true })
  hosts?: string[];
}
