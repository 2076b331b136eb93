import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsOptional } from 'class-validator';

export class RotateSigningKeysDto {
  @ApiPropertyOptional({
    default: false,
    description: 'A key was compromised: every key ends now, and every member token with it.',
  })
  @IsOptional()
  @IsBoolean()
  immediately?: boolean;
}
