import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsEmail, IsIn, IsString, Length, Matches, ValidateIf } from 'class-validator';
import { PageQuery } from '../../http/cursor.js';
import { GRANTED_ROLES, type GrantedRole, WORKSPACE_ROLES, type WorkspaceRole } from '../workspace-policy.js';

const STAGES = ['idea', 'launch', 'growth'] as const;
const IfGiven = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);

export class ListWorkspacesDto extends PageQuery {
  @ApiPropertyOptional({ description: 'externalId of a member: only workspaces where it has a role' })
  @IfGiven()
  @IsString()
  @Length(1, 128)
  member?: string;
}

export class ChangeWorkspaceDto {
  @ApiPropertyOptional({ maxLength: 120 })
  @IfGiven()
  @IsString()
  @Length(1, 120)
  name?: string;

  @ApiPropertyOptional({ enum: STAGES })
  @IfGiven()
  @IsIn(STAGES)
  stage?: (typeof STAGES)[number];
}

export class SetWorkspaceRoleDto {
  @ApiProperty({ enum: WORKSPACE_ROLES, description: '`owner` hands the workspace over: the owner becomes an admin' })
  @IsIn(WORKSPACE_ROLES)
  role: WorkspaceRole;
}

export class InviteDto {
  @ApiProperty({ enum: GRANTED_ROLES })
  @IsIn(GRANTED_ROLES)
  role: GrantedRole;

  @ApiPropertyOptional({ format: 'email', description: 'Only a member with this address can accept it' })
  @IfGiven()
  @IsEmail()
  @Length(3, 254)
  email?: string;
}

export class AcceptOwnInvitationDto {
  @ApiProperty({ example: 'wbi_…' })
  @Matches(/^wbi_[\w-]{43}$/, { message: 'code must be the code of an invitation' })
  code: string;
}

export class AcceptInvitationDto extends AcceptOwnInvitationDto {
  @ApiProperty({ description: 'externalId of the member who joins' })
  @IsString()
  @Length(1, 128)
  member: string;
}
