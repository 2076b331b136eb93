import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsISO8601,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import {
  CALL_OUTCOMES,
  type CallOutcome,
  KEY_OWNERS,
  type KeyOwner,
  type ProviderName,
  TRUST_SIGNAL_KINDS,
  type TrustSignalKind,
  type UsageBatch,
} from '#libs/contracts';

const MOST_RECORDS = 1_000;
/** Beyond any model's context; keeps sums of a batch exact. */
const MOST_TOKENS = 1_000_000_000;
const MOST_MICROS = 1_000_000_000_000;
const notNull = (_: object, value: unknown) => value !== null;

export class UsageRecordDto {
  @Matches(/^call_[0-9a-z]{26}$/)
  id: string;

  @IsString()
  @Length(1, 64)
  tenantId: string;

  @IsString()
  @Length(1, 64)
  memberId: string;

  @IsString()
  @Length(1, 64)
  workspaceId: string;

  @IsString()
  @Length(1, 64)
  agentId: string;

  @IsString()
  @Length(1, 64)
  tierKey: string;

  @ValidateIf(notNull)
  @IsString()
  @Length(1, 64)
  taskId: string | null;

  @IsIn(['anthropic', 'openai', 'offline'])
  provider: ProviderName;

  @IsString()
  @Length(1, 128)
  model: string;

  @IsIn(KEY_OWNERS)
  keyOwner: KeyOwner;

  @IsInt()
  @Min(0)
  @Max(MOST_TOKENS)
  inputTokens: number;

  @IsInt()
  @Min(0)
  @Max(MOST_TOKENS)
  outputTokens: number;

  @IsInt()
  @Min(0)
  @Max(MOST_TOKENS)
  cachedTokens: number;

  @ValidateIf(notNull)
  @IsInt()
  @Min(0)
  @Max(MOST_MICROS)
  costMicros: number | null;

  @IsIn(CALL_OUTCOMES)
  outcome: CallOutcome;

  @IsBoolean()
  estimated: boolean;

  @IsInt()
  @Min(0)
  @Max(2_147_483_647)
  durationMs: number;

  @IsISO8601({ strict: true, strictSeparator: true })
  at: string;

  @ValidateIf(notNull)
  @IsString()
  @Length(1, 64)
  leaseId: string | null;
}

export class TrustSignalDto {
  @IsString()
  @Length(1, 64)
  tenantId: string;

  @IsString()
  @Length(1, 64)
  memberId: string;

  @IsIn(TRUST_SIGNAL_KINDS)
  kind: TrustSignalKind;

  @IsInt()
  @Min(1)
  @Max(10_000)
  count: number;
}

export class UsageBatchDto implements UsageBatch {
  @IsArray()
  @ArrayMaxSize(MOST_RECORDS)
  @ValidateNested({ each: true })
  @Type(() => UsageRecordDto)
  records: UsageRecordDto[];

  @IsArray()
  @ArrayMaxSize(MOST_RECORDS)
  @ValidateNested({ each: true })
  @Type(() => TrustSignalDto)
  signals: TrustSignalDto[];
}
