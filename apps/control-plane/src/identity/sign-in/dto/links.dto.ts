import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsEmail, IsString, Length, Matches, MaxLength, MinLength, ValidateIf } from 'class-validator';

/** May be left out, but never null. */
const IfGiven = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);

export class EmailDto {
  @ApiProperty({ example: 'jane@example.com' })
  @IsEmail()
  @MaxLength(254)
  email: string;
}

export class LinkTokenDto {
  @ApiProperty({ description: 'What the fragment of the mailed link holds' })
  @IsString()
  @Matches(/^[\w-]{43}$/)
  token: string;
}

export class ResetPasswordDto extends LinkTokenDto {
  @ApiProperty({ format: 'password', minLength: 12, maxLength: 256 })
  @IsString()
  @MinLength(1)
  @MaxLength(1_024)
  password: string;
}

export class AcceptInvitationDto extends LinkTokenDto {
  @ApiPropertyOptional({ format: 'password', description: 'Without one, sign-in is by link, passkey or provider.' })
  @IfGiven()
  @IsString()
  @MinLength(1)
  @MaxLength(1_024)
  password?: string;

  @ApiPropertyOptional({ maxLength: 120 })
  @IfGiven()
  @IsString()
  @Length(1, 120)
  name?: string;
}

export class ChangePasswordDto {
  @ApiPropertyOptional({ format: 'password', description: 'Not needed after a recent proof.' })
  @IfGiven()
  @IsString()
  @MinLength(1)
  @MaxLength(1_024)
  currentPassword?: string;

  @ApiProperty({ format: 'password', minLength: 12, maxLength: 256 })
  @IsString()
  @MinLength(1)
  @MaxLength(1_024)
  newPassword: string;
}

export class ProveDto {
  @ApiPropertyOptional({ format: 'password' })
  @IfGiven()
  @IsString()
  @MinLength(1)
  @MaxLength(1_024)
  password?: string;

  @ApiPropertyOptional({ description: 'Of the authenticator app, or a recovery code; needed where codes are on.' })
  @IfGiven()
  @IsString()
  @Length(6, 40)
  code?: string;
}
