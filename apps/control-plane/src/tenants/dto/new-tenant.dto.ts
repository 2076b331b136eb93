import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  IsArray,
  IsFQDN,
  IsHexColor,
  IsIn,
  IsOptional,
  IsString,
  Length,
  Matches,
} from 'class-validator';

export class NewTenantDto {
  @ApiProperty({ example: 'acme', description: 'Part of addresses; lower-case letters, digits and dashes' })
  @Matches(/^[a-z][a-z0-9-]{1,39}$/)
  slug: string;

  @ApiProperty({ maxLength: 120 })
  @IsString()
  @Length(1, 120)
  name: string;

  @ApiProperty({ enum: ['network', 'standalone'], description: 'Which ready-made tiers it starts from' })
  @IsIn(['network', 'standalone'])
  template: 'network' | 'standalone';

  @ApiPropertyOptional({ type: [String], description: 'Host names that belong to it' })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(20)
  @IsFQDN({ require_tld: false }, { each: true })
  hosts?: string[];

  @ApiPropertyOptional({ example: '#0b7285' })
  @IsOptional()
  @IsHexColor()
  accent?: string;

  @ApiPropertyOptional({ maxLength: 200 })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  greeting?: string;
}
