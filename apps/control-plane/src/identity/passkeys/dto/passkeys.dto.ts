import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsObject, IsOptional, IsString, Length } from 'class-validator';

const trimmed = Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value));

export class AnswerDto {
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: 'PublicKeyCredential.toJSON() of the browser',
  })
  @IsObject()
  credential: Record<string, unknown>;
}

export class NewPasskeyDto extends AnswerDto {
  @ApiPropertyOptional({ maxLength: 60, description: 'By default it is named after where it is kept' })
  @IsOptional()
  @trimmed
  @IsString()
  @Length(1, 60)
  name?: string;
}

export class RenamePasskeyDto {
  @ApiProperty({ maxLength: 60 })
  @trimmed
  @IsString()
  @Length(1, 60)
  name: string;
}
