import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsEmail,
  IsIn,
  IsLocale,
  IsObject,
  IsOptional,
  IsString,
  IsTimeZone,
  Length,
  ValidateNested,
} from 'class-validator';

export class PutWorkspaceDto {
  @ApiPropertyOptional({ description: 'Name of the business context', maxLength: 120 })
  @IsOptional()
  @IsString()
  @Length(1, 120)
  name?: string;

  @ApiPropertyOptional({ enum: ['idea', 'launch', 'growth'] })
  @IsOptional()
  @IsIn(['idea', 'launch', 'growth'])
  stage?: 'idea' | 'launch' | 'growth';
}

export class PutMemberDto {
  @ApiProperty({ format: 'email', maxLength: 254 })
  @IsEmail()
  @Length(3, 254)
  email: string;

  @ApiPropertyOptional({ maxLength: 120 })
  @IsOptional()
  @IsString()
  @Length(1, 120)
  name?: string;

  @ApiProperty({ description: 'Key of one of the tenant’s tiers', example: 'freewire' })
  @IsString()
  @Length(1, 64)
  tier: string;

  @ApiPropertyOptional({ description: 'IANA time zone', example: 'Europe/Berlin' })
  @IsOptional()
  @IsTimeZone()
  timeZone?: string;

  @ApiPropertyOptional({ example: 'en' })
  @IsOptional()
  @IsLocale()
  locale?: string;

  @ApiPropertyOptional({ type: PutWorkspaceDto })
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => PutWorkspaceDto)
  workspace?: PutWorkspaceDto;
}
