import { IsInt, IsString, Length, Matches, Min } from 'class-validator';

export class RefusedKeyDto {
  @IsString()
  @Length(1, 64)
  id: string;

  @IsInt()
  @Min(1)
  version: number;
}

export class ResealedKeyDto extends RefusedKeyDto {
  /** A compact JWE of a key that is at most 512 characters. */
  @IsString()
  @Length(1, 4_096)
  @Matches(/^[\w-]+\.[\w-]+\.[\w-]+\.[\w-]+\.[\w-]+$/)
  jwe: string;
}
