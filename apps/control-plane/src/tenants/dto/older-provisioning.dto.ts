import { ApiProperty } from '@nestjs/swagger';
import { IsString, Length } from 'class-validator';

/** The body of the older provisioning call; its field names are fixed by the plugins that send it. */
export class OlderProvisioningDto {
  @ApiProperty({ description: 'The membership site’s own name of the site; kept for the log only' })
  @IsString()
  @Length(1, 128)
  tenant_id: string;

  @ApiProperty({ description: 'The member’s stable id on the membership site' })
  @IsString()
  @Length(1, 128)
  user_id: string;

  @ApiProperty()
  @IsString()
  @Length(1, 64)
  tier: string;
}
