import { Matches } from 'class-validator';

export class SignOutDto {
  @Matches(/^ten_[0-9a-z]{26}$/)
  tenantId: string;

  @Matches(/^mem_[0-9a-z]{26}$/)
  memberId: string;

  @Matches(/^tok_[0-9a-z]{26}$/)
  jti: string;
}
