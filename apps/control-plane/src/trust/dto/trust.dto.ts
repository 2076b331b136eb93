import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsISO8601, IsOptional, IsString, Length, Matches, Max, Min } from 'class-validator';
import { PageQuery } from '../../http/cursor.js';
import { INVITATION_DAYS } from '../trust-invitations.service.js';

const CODE = /^wbi_[A-Za-z0-9_-]{43}$/;

export class InviteToTrustDto {
  @ApiProperty({
    enum: [2],
    description: 'Mode 3 is never given by invitation: it needs a tier with a dedicated gateway.',
  })
  @IsIn([2])
  mode: 2;

  @ApiPropertyOptional({ minimum: 1, maximum: INVITATION_DAYS.max, default: INVITATION_DAYS.default })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(INVITATION_DAYS.max)
  expiresInDays?: number;
}

export class AcceptOwnInvitationDto {
  @ApiProperty({ description: 'The code that was shown when the invitation was made.' })
  @Matches(CODE)
  code: string;
}

export class AcceptInvitationDto extends AcceptOwnInvitationDto {
  @ApiProperty({ description: 'externalId of the member it is for.' })
  @IsString()
  @Length(1, 128)
  member: string;
}

export class DowngradeDto {
  @ApiProperty({ enum: [0, 1, 2], description: 'The member is held at this mode.' })
  @IsIn([0, 1, 2])
  mode: 0 | 1 | 2;

  @ApiPropertyOptional({ format: 'date-time', description: 'It ends by itself then; without it, when it is lifted.' })
  @IsOptional()
  @IsISO8601({ strict: true })
  until?: string;

  @ApiProperty({ maxLength: 200, description: 'For your own staff; the member does not see it.' })
  @IsString()
  @Length(1, 200)
  reason: string;
}

export class ListTrustInvitationsDto extends PageQuery {
  @ApiPropertyOptional({ description: 'externalId: invitations of this member only.' })
  @IsOptional()
  @IsString()
  @Length(1, 128)
  member?: string;
}
