import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsInt,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import type { QuotaAmount, QuotaAsk, QuotaCall } from '#libs/contracts';

const MOST = 1_000_000_000_000_000;
const MOST_ENTRIES = 200;

export class QuotaAmountDto implements QuotaAmount {
  @IsInt()
  @Min(0)
  @Max(MOST)
  tokens: number;

  @IsInt()
  @Min(0)
  @Max(MOST)
  micros: number;
}

export class QuotaAskDto implements QuotaAsk {
  @Matches(/^lse_[0-9a-z]{26}$/)
  leaseId: string;

  @IsString()
  @Length(1, 64)
  agentId: string;

  @Matches(/^\d{4}-\d{2}-\d{2}$/)
  day: string;

  @ValidateNested()
  @Type(() => QuotaAmountDto)
  granted: QuotaAmountDto;

  @ValidateNested()
  @Type(() => QuotaAmountDto)
  returned: QuotaAmountDto;

  @ValidateNested()
  @Type(() => QuotaAmountDto)
  atLeast: QuotaAmountDto;

  @ValidateNested()
  @Type(() => QuotaAmountDto)
  need: QuotaAmountDto;

  @ValidateNested()
  @Type(() => QuotaAmountDto)
  ahead: QuotaAmountDto;
}

class QuotaReturnDto {
  @IsString()
  @Length(1, 64)
  leaseId: string;

  @ValidateNested()
  @Type(() => QuotaAmountDto)
  returned: QuotaAmountDto;
}

export class QuotaCallDto implements QuotaCall {
  @IsString()
  @Length(1, 64)
  broker: string;

  @IsString()
  @Length(1, 64)
  boot: string;

  @IsArray()
  @ArrayMaxSize(MOST_ENTRIES)
  @ValidateNested({ each: true })
  @Type(() => QuotaAskDto)
  asks: QuotaAskDto[];

  @IsArray()
  @ArrayMaxSize(MOST_ENTRIES)
  @IsString({ each: true })
  @Length(1, 64, { each: true })
  renew: string[];

  @IsArray()
  @ArrayMaxSize(MOST_ENTRIES)
  @ValidateNested({ each: true })
  @Type(() => QuotaReturnDto)
  returns: QuotaReturnDto[];

  @IsBoolean()
  forgetFormer: boolean;
}
