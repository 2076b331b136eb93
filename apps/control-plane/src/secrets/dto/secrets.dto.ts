import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Length } from 'class-validator';
import { PageQuery } from '../../http/cursor.js';
import { SECRET_PURPOSES, type SecretPurpose } from '../secret-rules.js';

export class SecretOwnerQuery {
  @ApiPropertyOptional({ description: 'External id of the member whose secret it is; without it, the tenant’s own' })
  @IsOptional()
  @IsString()
  @Length(1, 128)
  member?: string;
}

export class PutSecretDto extends SecretOwnerQuery {
  @ApiProperty({ writeOnly: true, description: 'Never shown again, by nothing' })
  @IsString()
  value: string;
}

export class ListSecretsDto extends PageQuery {
  @ApiPropertyOptional({ enum: SECRET_PURPOSES })
  @IsOptional()
  @IsIn(SECRET_PURPOSES)
  purpose?: SecretPurpose;

  @ApiPropertyOptional({ description: 'External id of a member: only this member’s secrets' })
  @IsOptional()
  @IsString()
  @Length(1, 128)
  member?: string;
}
