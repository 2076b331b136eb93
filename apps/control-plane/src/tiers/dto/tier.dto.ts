import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  ArrayUnique,
  IsArray,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { SURFACES, TIER_TEMPLATES, type TrustMode } from '#libs/trust';
import type { TierContent } from '../tier-definition.js';
import {
  TierBackupPolicyDto,
  TierIdlePolicyDto,
  TierLimitsDto,
  TierPriceDto,
  TierResourcesDto,
} from './tier-parts.dto.js';

const TRUST_MODES = [0, 1, 2, 3] as const;
const TEMPLATES = Object.keys(TIER_TEMPLATES) as (keyof typeof TIER_TEMPLATES)[];

/** The whole of a tier: what is left out has its default. */
export class PutTierDto {
  @ApiProperty({ maxLength: 80 })
  @IsString()
  @Length(1, 80)
  name: string;

  @ApiProperty({
    minimum: 0,
    maximum: 1_000,
    description: 'Orders tiers; equal ranks are neither an upgrade nor a downgrade.',
  })
  @IsInt()
  @Min(0)
  @Max(1_000)
  rank: number;

  @ApiProperty({ enum: TRUST_MODES })
  @IsIn(TRUST_MODES)
  trustCeiling: TrustMode;

  @ApiPropertyOptional({
    enum: TRUST_MODES,
    nullable: true,
    default: null,
    description: 'Of members who accepted an invitation.',
  })
  @ValidateIf((_, value) => value !== null && value !== undefined)
  @IsIn(TRUST_MODES)
  invitedTrustCeiling?: TrustMode | null;

  @ApiProperty({ enum: ['shared', 'dedicated'] })
  @IsIn(['shared', 'dedicated'])
  placement: 'shared' | 'dedicated';

  @ApiPropertyOptional({ enum: ['wirebot'], default: 'wirebot' })
  @IsOptional()
  @IsIn(['wirebot'])
  runtime?: 'wirebot';

  @ApiProperty({
    enum: SURFACES,
    isArray: true,
    description: '"web" brings extension, mobile, api, cli and admin along.',
  })
  @IsArray()
  @ArrayNotEmpty()
  @ArrayMaxSize(SURFACES.length)
  @ArrayUnique()
  @IsIn(SURFACES, { each: true })
  channels: string[];

  @ApiProperty({ type: TierLimitsDto })
  @IsObject()
  @ValidateNested()
  @Type(() => TierLimitsDto)
  limits: TierLimitsDto;

  @ApiProperty({
    type: TierResourcesDto,
    description: 'Of the whole gateway; a shared one is sized for all its agents.',
  })
  @IsObject()
  @ValidateNested()
  @Type(() => TierResourcesDto)
  resources: TierResourcesDto;

  @ApiPropertyOptional({ type: [String], default: [] })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(50)
  @ArrayUnique()
  @Matches(/^[a-z][a-z0-9-]{0,63}$/, { each: true })
  modules?: string[];

  @ApiPropertyOptional({ type: TierIdlePolicyDto })
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => TierIdlePolicyDto)
  idlePolicy?: TierIdlePolicyDto;

  @ApiPropertyOptional({ type: TierBackupPolicyDto })
  @IsOptional()
  @ValidateNested()
  @Type(() => TierBackupPolicyDto)
  backups?: TierBackupPolicyDto;

  @ApiPropertyOptional({ type: [TierPriceDto], default: [] })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(20)
  @ValidateNested({ each: true })
  @Type(() => TierPriceDto)
  prices?: TierPriceDto[];
}

export class NewTierDto extends PutTierDto {
  @ApiProperty({ example: 'founders', description: 'Lower-case letters, digits and dashes; never changes.' })
  @Matches(/^[a-z][a-z0-9-]{0,63}$/)
  key: string;
}

export class ApplyTemplateDto {
  @ApiProperty({ enum: TEMPLATES })
  @IsIn(TEMPLATES)
  template: keyof typeof TIER_TEMPLATES;
}

/** With every default filled in, so that two ways to say the same are the same. */
export const toContent = (body: PutTierDto): TierContent => ({
  name: body.name,
  rank: body.rank,
  trustCeiling: body.trustCeiling,
  invitedTrustCeiling: body.invitedTrustCeiling ?? null,
  placement: body.placement,
  runtime: body.runtime ?? 'wirebot',
  channels: body.channels,
  limits: { ...body.limits },
  resources: { ...body.resources, diskMb: body.resources.diskMb ?? null },
  modules: body.modules ?? [],
  idlePolicy: {
    suspendAfterSeconds: body.idlePolicy?.suspendAfterSeconds ?? null,
    stopAfterSeconds: body.idlePolicy?.stopAfterSeconds ?? null,
  },
  backups: { everyHours: body.backups?.everyHours ?? null, keepDays: body.backups?.keepDays ?? 7 },
  prices: (body.prices ?? []).map((price) => ({ ...price })),
});
