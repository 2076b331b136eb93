import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayNotEmpty,
  ArrayUnique,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  IsRFC3339,
  IsString,
  Length,
  Max,
  MaxLength,
  Min,
  ValidateIf,
} from 'class-validator';
import { PageQuery } from '../../http/cursor.js';
import { WEBHOOK_EVENTS } from '../webhook-events.js';

const EVENT_NAMES = ['*', ...Object.keys(WEBHOOK_EVENTS)];
const MAX_OVERLAP_SECONDS = 7 * 86_400;

/** May be left out, but never null. */
const IfGiven = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);

export class NewWebhookDto {
  @ApiProperty({ example: 'https://club.example/hooks/wirebot', maxLength: 2048 })
  @IsString()
  @Length(1, 2_048)
  url: string;

  @ApiProperty({ type: [String], enum: EVENT_NAMES, example: ['member.tier-changed', 'operation.failed'] })
  @IsArray()
  @ArrayNotEmpty()
  @ArrayUnique()
  @IsIn(EVENT_NAMES, { each: true })
  events: string[];

  @ApiPropertyOptional({ maxLength: 200 })
  @IsOptional()
  @IsString()
  @MaxLength(200)
  description?: string;
}

export class ChangeWebhookDto {
  @ApiPropertyOptional({ maxLength: 2048 })
  @IfGiven()
  @IsString()
  @Length(1, 2_048)
  url?: string;

  @ApiPropertyOptional({ type: [String], enum: EVENT_NAMES })
  @IfGiven()
  @IsArray()
  @ArrayNotEmpty()
  @ArrayUnique()
  @IsIn(EVENT_NAMES, { each: true })
  events?: string[];

  @ApiPropertyOptional({ maxLength: 200 })
  @IsOptional()
  @IsString()
  @MaxLength(200)
  description?: string;

  @ApiPropertyOptional({ enum: ['active', 'paused'] })
  @IfGiven()
  @IsIn(['active', 'paused'])
  status?: 'active' | 'paused';
}

export class RotateWebhookSecretDto {
  @ApiPropertyOptional({ minimum: 0, maximum: MAX_OVERLAP_SECONDS, default: 86_400 })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_OVERLAP_SECONDS)
  overlapSeconds: number = 86_400;
}

export class ReplayFailedDto {
  @ApiProperty({ format: 'date-time', description: 'Deliveries that failed and were made after this' })
  @IsRFC3339()
  since: string;
}

export class ListDeliveriesDto extends PageQuery {
  @ApiPropertyOptional({ enum: ['pending', 'delivered', 'failed'] })
  @IsOptional()
  @IsIn(['pending', 'delivered', 'failed'])
  status?: string;

  @ApiPropertyOptional({ enum: Object.keys(WEBHOOK_EVENTS) })
  @IsOptional()
  @Type(() => String)
  @IsIn(Object.keys(WEBHOOK_EVENTS))
  type?: string;
}
