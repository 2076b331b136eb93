import { IsString, Length } from 'class-validator';
import type { WakeRequest } from '#libs/contracts';

export class WakeDto implements WakeRequest {
  @IsString()
  @Length(1, 64)
  agentId!: string;
}
