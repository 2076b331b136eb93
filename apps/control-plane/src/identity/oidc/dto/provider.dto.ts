import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsFQDN,
  IsIn,
  IsOptional,
  IsString,
  Length,
  Matches,
  MaxLength,
  ValidateIf,
} from 'class-validator';
import { PRESET_NAMES, type PresetName } from '../provider-presets.js';

const withoutPreset = (body: NewProviderDto) => body.preset === undefined;

export class NewProviderDto {
  @ApiPropertyOptional({ enum: PRESET_NAMES, description: 'Fills in key, name, kind and issuer' })
  @IsOptional()
  @IsIn(PRESET_NAMES)
  preset?: PresetName;

  @ApiPropertyOptional({ example: 'acme', description: 'Part of the call-back address; required without a preset' })
  @ValidateIf((body: NewProviderDto) => withoutPreset(body) || body.key !== undefined)
  @Matches(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/, {
    message: 'key must be 1 to 32 lower-case letters, digits or inner dashes',
  })
  key?: string;

  @ApiPropertyOptional({ example: 'Acme', description: 'What the button says; required without a preset' })
  @ValidateIf((body: NewProviderDto) => withoutPreset(body) || body.name !== undefined)
  @IsString()
  @Length(1, 60)
  name?: string;

  @ApiPropertyOptional({
    example: 'https://id.example.com',
    description:
      'Required without a preset; with one it replaces the preset’s (GitHub Enterprise, one Microsoft organisation)',
  })
  @ValidateIf((body: NewProviderDto) => withoutPreset(body) || body.issuer !== undefined)
  @IsString()
  @MaxLength(500)
  issuer?: string;

  @ApiProperty()
  @IsString()
  @Length(1, 500)
  clientId: string;

  @ApiProperty({ format: 'password', description: 'Never shown again' })
  @IsString()
  @Length(1, 2_000)
  clientSecret: string;

  @ApiPropertyOptional({
    type: [String],
    example: ['acme.com'],
    description:
      'Verified addresses of these domains sign in their user, or become one. Empty: only linked accounts sign in.',
  })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(100)
  @IsFQDN({}, { each: true })
  allowedDomains?: string[];

  @ApiPropertyOptional({ default: true })
  @IsOptional()
  @IsBoolean()
  enabled?: boolean;
}

export class ChangeProviderDto {
  @ApiPropertyOptional({ maxLength: 60 })
  @IsOptional()
  @IsString()
  @Length(1, 60)
  name?: string;

  @ApiPropertyOptional({ description: 'Another issuer’s accounts are others: the linked ones are removed' })
  @IsOptional()
  @IsString()
  @MaxLength(500)
  issuer?: string;

  @ApiPropertyOptional()
  @IsOptional()
  @IsString()
  @Length(1, 500)
  clientId?: string;

  @ApiPropertyOptional({ format: 'password', description: 'Never shown again' })
  @IsOptional()
  @IsString()
  @Length(1, 2_000)
  clientSecret?: string;

  @ApiPropertyOptional({ type: [String] })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(100)
  @IsFQDN({}, { each: true })
  allowedDomains?: string[];

  @ApiPropertyOptional()
  @IsOptional()
  @IsBoolean()
  enabled?: boolean;
}
