import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsNumber,
  IsObject,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { DEFAULT_POLICY } from '../rollout-policy.js';

/** May be left out, but never null. */
const IfGiven = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);
const IMAGE = /^[\w./:@+-]+$/;
const IMAGE_RULE = 'image must be an image id (sha256:…), a reference, or for the process driver the path of a bundle';

export class UpgradeDto {
  @ApiProperty({
    description: 'Image id, reference by digest or tag, or for the process driver the path of a bundle',
    maxLength: 512,
  })
  @IsString()
  @Length(1, 512)
  @Matches(IMAGE, { message: IMAGE_RULE })
  image: string;
}

export class RolloutPolicyDto {
  @ApiPropertyOptional({ minimum: 0, maximum: 1, default: DEFAULT_POLICY.canary, description: 'Share that goes first' })
  @IfGiven()
  @IsNumber()
  @Min(0)
  @Max(1)
  canary?: number;

  @ApiPropertyOptional({
    minimum: 0,
    maximum: 1,
    default: DEFAULT_POLICY.batch,
    description: 'Share of the rest at a time',
  })
  @IfGiven()
  @IsNumber()
  @Min(0)
  @Max(1)
  batch?: number;

  @ApiPropertyOptional({ minimum: 1, maximum: 100, default: DEFAULT_POLICY.maxUnavailable })
  @IfGiven()
  @IsInt()
  @Min(1)
  @Max(100)
  maxUnavailable?: number;

  @ApiPropertyOptional({ minimum: 1, maximum: 100, default: DEFAULT_POLICY.maxPerHost })
  @IfGiven()
  @IsInt()
  @Min(1)
  @Max(100)
  maxPerHost?: number;

  @ApiPropertyOptional({ minimum: 1, maximum: 100, default: DEFAULT_POLICY.maxPerTenant })
  @IfGiven()
  @IsInt()
  @Min(1)
  @Max(100)
  maxPerTenant?: number;

  @ApiPropertyOptional({
    minimum: 1,
    maximum: 10_000,
    default: DEFAULT_POLICY.maxFailures,
    description: 'Paused at this many',
  })
  @IfGiven()
  @IsInt()
  @Min(1)
  @Max(10_000)
  maxFailures?: number;

  @ApiPropertyOptional({ minimum: 0, maximum: 1, default: DEFAULT_POLICY.maxFailureShare })
  @IfGiven()
  @IsNumber()
  @Min(0)
  @Max(1)
  maxFailureShare?: number;

  @ApiPropertyOptional({ minimum: 0, maximum: 604_800, default: DEFAULT_POLICY.soakSeconds })
  @IfGiven()
  @IsInt()
  @Min(0)
  @Max(604_800)
  soakSeconds?: number;

  @ApiPropertyOptional({ minimum: 0, maximum: 60, default: DEFAULT_POLICY.verifySeconds })
  @IfGiven()
  @IsInt()
  @Min(0)
  @Max(60)
  verifySeconds?: number;
}

export class RolloutScopeDto {
  @ApiPropertyOptional({ description: 'Only gateways of this tenant' })
  @IfGiven()
  @IsString()
  @Length(1, 64)
  tenantId?: string;

  @ApiPropertyOptional({ enum: ['shared', 'dedicated'] })
  @IfGiven()
  @IsIn(['shared', 'dedicated'])
  kind?: 'shared' | 'dedicated';

  @ApiPropertyOptional({ description: 'Only gateways on this host' })
  @IfGiven()
  @IsString()
  @Length(1, 64)
  hostId?: string;
}

export class NewRolloutDto extends UpgradeDto {
  @ApiPropertyOptional({ type: RolloutPolicyDto })
  @IfGiven()
  @IsObject()
  @ValidateNested()
  @Type(() => RolloutPolicyDto)
  policy?: RolloutPolicyDto;

  @ApiPropertyOptional({ type: RolloutScopeDto, description: 'Left out: every gateway, and new ones too' })
  @IfGiven()
  @IsObject()
  @ValidateNested()
  @Type(() => RolloutScopeDto)
  scope?: RolloutScopeDto;
}

export class PauseRolloutDto {
  @ApiPropertyOptional({ maxLength: 200 })
  @IfGiven()
  @IsString()
  @Length(1, 200)
  reason?: string;
}

export class ResumeRolloutDto {
  @ApiPropertyOptional({ default: false, description: 'Try those again that failed' })
  @IfGiven()
  @IsBoolean()
  retryFailed?: boolean;
}

export class AbortRolloutDto {
  @ApiPropertyOptional({ default: false, description: 'Send those back that were upgraded' })
  @IfGiven()
  @IsBoolean()
  revert?: boolean;
}
