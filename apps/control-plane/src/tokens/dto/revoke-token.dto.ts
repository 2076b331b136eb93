import { ApiPropertyOptional } from '@nestjs/swagger';
import { Equals, IsOptional, IsString, Matches, MaxLength, MinLength } from 'class-validator';

/** Exactly one of the three. */
export class RevokeTokenDto {
  @ApiPropertyOptional({ description: 'jti of one token.' })
  @IsOptional()
  @Matches(/^tok_[0-9a-z]{26}$/)
  jti?: string;

  @ApiPropertyOptional({ description: 'externalId: ends every token the member has now.' })
  @IsOptional()
  @IsString()
  @MinLength(1)
  @MaxLength(128)
  member?: string;

  @ApiPropertyOptional({ enum: [true], description: 'Ends every token that any member of the tenant has now.' })
  @IsOptional()
  @Equals(true)
  all?: true;
}
