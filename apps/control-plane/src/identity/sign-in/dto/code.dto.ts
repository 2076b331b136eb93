import { ApiProperty } from '@nestjs/swagger';
import { IsString, Length } from 'class-validator';

export class CodeDto {
  @ApiProperty({ description: 'Six digits of the authenticator app, or a recovery code', example: '123456' })
  @IsString()
  @Length(6, 40)
  code: string;
}
