import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min, MinLength } from 'class-validator';

/** The settings are replaced as a whole; the secret stays unless another is given or asked for. */
export class PutSharedSecretIssuerDto {
  @ApiPropertyOptional({ default: true })
  @IsOptional()
  @IsBoolean()
  enabled?: boolean;

  @ApiPropertyOptional({
    writeOnly: true,
    description: 'At least 32 bytes of visible ASCII, used as it is written. Left out: one is made, and shown once.',
  })
  @IsOptional()
  @IsString()
  @MinLength(32)
  @MaxLength(512)
  @Matches(/^[\x21-\x7e]+$/, { message: 'secret must be visible ASCII characters' })
  secret?: string;

  @ApiPropertyOptional({ default: false, description: 'Make another secret, and show it once.' })
  @IsOptional()
  @IsBoolean()
  rotateSecret?: boolean;

  @ApiPropertyOptional({
    default: 86_400,
    maximum: 2_592_000,
    description: 'How long the secret before is still accepted. 0: it leaked; every token of the tenant ends with it.',
  })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(2_592_000)
  keepPreviousSeconds?: number;

  @ApiPropertyOptional({ nullable: true, description: 'What `iss` must be. Null: not checked.' })
  @IsOptional()
  @IsString()
  @MinLength(1)
  @MaxLength(256)
  issuer?: string | null;

  @ApiPropertyOptional({ nullable: true, description: 'What `aud` must be. Null: not checked.' })
  @IsOptional()
  @IsString()
  @MinLength(1)
  @MaxLength(256)
  audience?: string | null;

  @ApiPropertyOptional({ enum: [0, 1, 2], default: 2, description: 'Never 3: mode 3 needs a token of ours.' })
  @IsOptional()
  @IsIn([0, 1, 2])
  trustModeMax?: number;
}
