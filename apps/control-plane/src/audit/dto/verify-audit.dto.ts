import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, Length, Matches } from 'class-validator';

/** `seq:hash`, as a verification printed it. */
export const ANCHOR_PATTERN = /^[1-9]\d{0,17}:[0-9a-f]{64}$/;

export class VerifyOwnAuditDto {
  @ApiPropertyOptional({ description: 'seq:hash of an earlier verification; the chain must still go through it' })
  @IsOptional()
  @Matches(ANCHOR_PATTERN, { message: 'anchor must be seq:hash as an earlier verification gave it' })
  anchor?: string;
}

export class VerifyAuditDto extends VerifyOwnAuditDto {
  @ApiProperty({ description: 'Id of a tenant, or `platform`', maxLength: 64 })
  @IsString()
  @Length(1, 64)
  tenantId: string;
}
