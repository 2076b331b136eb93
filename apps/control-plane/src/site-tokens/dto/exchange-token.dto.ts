import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import { LONGEST_TOKEN } from '#libs/tokens';
import { type Surface, SURFACES } from '#libs/trust';

export class ExchangeTokenDto {
  @ApiProperty({ description: 'Short name (slug) of the tenant whose membership site signed the token.' })
  @Matches(/^[a-z0-9][a-z0-9-]{0,62}$/)
  tenant: string;

  @ApiProperty({ description: 'The HS256 token.' })
  @IsString()
  @MaxLength(LONGEST_TOKEN)
  token: string;

  @ApiPropertyOptional({ enum: SURFACES, default: 'web' })
  @IsOptional()
  @IsIn(SURFACES)
  surface?: Surface;
}

/** From a proxy, which knows the tenant by the host it was called at. */
export class ProxyExchangeDto {
  @Matches(/^ten_[0-9a-z]{26}$/)
  tenantId: string;

  @IsString()
  @MaxLength(LONGEST_TOKEN)
  token: string;
}
