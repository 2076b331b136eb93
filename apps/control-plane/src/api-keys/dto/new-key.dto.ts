import { ApiProperty, ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  IsArray,
  IsBoolean,
  IsDate,
  IsInt,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  MaxDate,
  MaxLength,
  Min,
} from 'class-validator';
import { SCOPE_PATTERN } from '../../identity/principal.js';

/** Longest time that a rotated key goes on working: 7 days. */
export const MAX_OVERLAP_SECONDS = 7 * 86_400;

/** Whoever wants a key without end leaves the date out. */
const LATEST_EXPIRY = new Date('9999-12-31T23:59:59Z');

/** A new API key of a tenant. */
export class NewKeyDto {
  @ApiProperty({ maxLength: 120 })
  @IsString()
  @Length(1, 120)
  name: string;

  @ApiProperty({ type: [String], example: ['members:write', 'tokens:write'] })
  @IsArray()
  @ArrayNotEmpty()
  @ArrayMaxSize(50)
  @Matches(SCOPE_PATTERN, { each: true })
  scopes: string[];

  @ApiPropertyOptional({ description: 'Only GET and HEAD, whatever the scopes say' })
  @IsOptional()
  @IsBoolean()
  readOnly?: boolean;

  @ApiPropertyOptional({
    type: [String],
    example: ['203.0.113.0/24', '2001:db8::/32'],
    description: 'Addresses and CIDR blocks it may be used from; empty: from anywhere',
  })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(50)
  @IsString({ each: true })
  @MaxLength(64, { each: true })
  allowedIps?: string[];

  @ApiPropertyOptional({
    format: 'date-time',
    description: 'It stops working then; left out: as the key that makes it',
  })
  @IsOptional()
  @Type(() => Date)
  @IsDate()
  @MaxDate(LATEST_EXPIRY)
  expiresAt?: Date;
}

class BoundToTenant {
  @ApiPropertyOptional({ description: 'Id of the tenant that tenant calls with this key act on' })
  @IsOptional()
  @IsString()
  @Length(1, 64)
  tenantId?: string;
}

export class NewOperatorKeyDto extends IntersectionType(NewKeyDto, BoundToTenant) {}

export class RotateKeyDto {
  @ApiPropertyOptional({
    minimum: 0,
    maximum: MAX_OVERLAP_SECONDS,
    default: 0,
    description: 'How long the old key goes on working, in seconds',
  })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_OVERLAP_SECONDS)
  overlapSeconds: number = 0;
}
