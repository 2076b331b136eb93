import { IsString, Matches, MaxLength } from 'class-validator';

export class ExchangeCodeDto {
  @Matches(/^ten_[0-9a-z]{26}$/)
  tenantId: string;

  @IsString()
  @MaxLength(128)
  code: string;
}
