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

  @ApiPropertyOptional({ type: [String], default: ['chat'] })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(16)
  @Matches(/^[a-z][a-z-]*(?::[a-z][a-z-]*)?$/, { each: true })
  @MaxLength(64, { each: true })
  scopes?: string[];

  @ApiPropertyOptional({ minimum: TOKEN_LIFE.min, maximum: TOKEN_LIFE.max, default: TOKEN_LIFE.max })
  @IsOptional()
  @IsInt()
  @Min(TOKEN_LIFE.min)
  @Max(TOKEN_LIFE.max)
  ttlSeconds?: number;
}
