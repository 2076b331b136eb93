import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsEmail, IsIn, IsOptional, IsString, Length, MaxLength, ValidateIf } from 'class-validator';
import { STAFF_ROLES, type StaffRole } from '../../roles.js';

class NewPersonDto {
  @ApiProperty({ example: 'jane@example.com' })
  @IsEmail()
  @MaxLength(254)
  email: string;

  @ApiPropertyOptional({ maxLength: 120 })
  @IsOptional()
  @IsString()
  @Length(1, 120)
  name?: string;
}

export class AddStaffDto extends NewPersonDto {
  @ApiProperty({ enum: STAFF_ROLES })
  @IsIn(STAFF_ROLES)
  role: StaffRole;
}

export class ChangeStaffDto {
  @ApiProperty({ enum: STAFF_ROLES })
  @IsIn(STAFF_ROLES)
  role: StaffRole;
}

export class NewUserDto extends NewPersonDto {
  @ApiPropertyOptional({ enum: ['operator'], nullable: true, description: 'operator: may do everything' })
  @IsOptional()
  @IsIn(['operator'])
  platformRole?: 'operator' | null;
}

export class ChangeUserDto {
  @ApiPropertyOptional({ maxLength: 120 })
  @IsOptional()
  @IsString()
  @Length(1, 120)
  name?: string;

  @ApiPropertyOptional({ description: 'true: cannot sign in, and every session ends' })
  @ValidateIf((_, value) => value !== undefined)
  @IsBoolean()
  disabled?: boolean;

  @ApiPropertyOptional({ enum: ['operator'], nullable: true })
  @IsOptional()
  @IsIn(['operator'])
  platformRole?: 'operator' | null;
}
