import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Length } from 'class-validator';
import { PageQuery } from '../../http/cursor.js';

export class ListMembersDto extends PageQuery {
  @ApiPropertyOptional({ description: 'Tier key' })
  @IsOptional()
  @IsString()
  @Length(1, 64)
  tier?: string;

  @ApiPropertyOptional({ enum: ['active', 'paused', 'cancelled', 'erased'] })
  @IsOptional()
  @IsIn(['active', 'paused', 'cancelled', 'erased'])
  status?: string;

  @ApiPropertyOptional({ description: 'Part of e-mail, name or external id' })
  @IsOptional()
  @IsString()
  @Length(1, 120)
  q?: string;
}
