import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  MinLength,
} from 'class-validator';
import { MEMBER_SCOPES, type MemberScope, VISIBILITIES, type Visibility } from '#libs/contracts';
import { type Surface, SURFACES } from '#libs/trust';
import { TOKEN_LIFE } from '../token-limits.js';

export class IssueTokenDto {
  @ApiProperty({ description: 'externalId of the member.' })
  @IsString()
  @MinLength(1)
  @MaxLength(128)
  member: string;

  @ApiProperty({ enum: SURFACES })
  @IsIn(SURFACES)
  surface: Surface;

  @ApiPropertyOptional({
    enum: VISIBILITIES,
    description: 'Who reads along. Default: public on a channel, private elsewhere. Caps the trust mode.',
  })
  @IsOptional()
  @IsIn(VISIBILITIES)
  visibility?: Visibility;

  @ApiPropertyOptional({ description: 'Id of a workspace where the member has a role. Default: its own.' })
  @IsOptional()
  @Matches(/^wsp_[0-9a-z]{26}$/)
  workspace?: string;

  @ApiPropertyOptional({ enum: MEMBER_SCOPES, isArray: true, default: MEMBER_SCOPES })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(16)
  @IsIn(MEMBER_SCOPES, { each: true })
  scopes?: MemberScope[];

  @ApiPropertyOptional({ minimum: TOKEN_LIFE.min, maximum: TOKEN_LIFE.max, default: TOKEN_LIFE.max })
  @IsOptional()
  @IsInt()
  @Min(TOKEN_LIFE.min)
  @Max(TOKEN_LIFE.max)
  ttlSeconds?: number;
}
