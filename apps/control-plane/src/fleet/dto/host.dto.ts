import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsBoolean,
  IsDefined,
  IsIn,
  IsInt,
  IsNumber,
  IsObject,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { IsLabels } from './labels.validator.js';

/** May be left out, but never null. */
const IfGiven = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);
const OfKind = (...kinds: string[]): PropertyDecorator =>
  ValidateIf((connection: ConnectionDto) => kinds.includes(connection.kind));

const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const NAME_HINT = { message: 'name must be 1-63 lower-case letters, digits and dashes' };
/** Absolute, and as it is: no `..`, no empty part. */
const PATH = /^(\/(?!\.{1,2}(\/|$))[\w.@+ -]+)+$/;
const pathHint = (field: string) => ({ message: `${field} must be an absolute path without . or ..` });
const MACHINE = /^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$/;
const PEM = 32 * 1024;

export class ConnectionDto {
  @ApiProperty({ enum: ['unix', 'tls', 'ssh'] })
  @IsIn(['unix', 'tls', 'ssh'])
  kind!: 'unix' | 'tls' | 'ssh';

  @ApiPropertyOptional({ description: 'Path of the engine’s socket; ssh: there, by default Docker’s usual one' })
  @ValidateIf(({ kind, socketPath }: ConnectionDto) => kind === 'unix' || (kind === 'ssh' && socketPath !== undefined))
  @Matches(PATH, pathHint('socketPath'))
  @MaxLength(100)
  socketPath?: string;

  @ApiPropertyOptional({ description: 'tls, ssh: name or address of the machine' })
  @OfKind('tls', 'ssh')
  @Matches(MACHINE, { message: 'host must be a host name or an address' })
  host?: string;

  @ApiPropertyOptional({ description: 'tls, ssh' })
  @OfKind('tls', 'ssh')
  @IsInt()
  @Min(1)
  @Max(65_535)
  port?: number;

  @ApiPropertyOptional({ description: 'ssh' })
  @OfKind('ssh')
  @Matches(/^[a-z_][a-z0-9_-]{0,31}$/, { message: 'user must be the name of a user' })
  user?: string;

  @ApiProperty({ description: 'Where gateways’ state lies: the same path here and on the engine’s machine' })
  @Matches(PATH, pathHint('stateRoot'))
  @MaxLength(1_024)
  stateRoot!: string;

  @ApiProperty({
    description: 'Where gateways’ secrets lie, on a tmpfs: the same path here and on the engine’s machine',
  })
  @Matches(PATH, pathHint('secretsRoot'))
  @MaxLength(1_024)
  secretsRoot!: string;
}

/** Written, never read back. */
export class CredentialsDto {
  @ApiPropertyOptional({ description: 'tls: PEM of the authority that signed the engine’s certificate' })
  @IfGiven()
  @IsString()
  @Length(1, PEM)
  ca?: string;

  @ApiPropertyOptional({ description: 'tls: PEM of the client certificate' })
  @IfGiven()
  @IsString()
  @Length(1, PEM)
  cert?: string;

  @ApiPropertyOptional({ description: 'PEM of the private key' })
  @IfGiven()
  @IsString()
  @Length(1, PEM)
  key?: string;

  @ApiPropertyOptional({ description: 'ssh: fingerprint of the host key that is expected', example: 'SHA256:...' })
  @IfGiven()
  @Matches(/^SHA256:[A-Za-z0-9+/]{43}$/, { message: 'hostKey must be a fingerprint that begins with SHA256:' })
  hostKey?: string;
}

export class PortsDto {
  @ApiProperty({ minimum: 1024, maximum: 65_535 })
  @IsInt()
  @Min(1_024)
  @Max(65_535)
  from!: number;

  @ApiProperty({ minimum: 1024, maximum: 65_535 })
  @IsInt()
  @Min(1_024)
  @Max(65_535)
  to!: number;
}

export class CapacityDto {
  @ApiPropertyOptional({ description: 'Most gateways' })
  @IfGiven()
  @IsInt()
  @Min(0)
  @Max(100_000)
  gateways?: number;

  @ApiPropertyOptional({ description: 'Most MB of what its gateways may take together' })
  @IfGiven()
  @IsInt()
  @Min(0)
  @Max(100_000_000)
  memoryMb?: number;

  @ApiPropertyOptional({ description: 'Most CPUs of what its gateways may take together' })
  @IfGiven()
  @IsNumber({ maxDecimalPlaces: 2 })
  @Min(0)
  @Max(100_000)
  cpus?: number;

  @ApiPropertyOptional({ description: 'MB of its disk that have to remain free', default: 256 })
  @IfGiven()
  @IsInt()
  @Min(0)
  @Max(1_000_000_000)
  diskMb?: number;
}

export class NewHostDto {
  @ApiProperty({ example: 'rack-2' })
  @Matches(NAME, NAME_HINT)
  name!: string;

  @ApiProperty({ type: ConnectionDto })
  @IsDefined()
  @IsObject()
  @ValidateNested()
  @Type(() => ConnectionDto)
  connection!: ConnectionDto;

  @ApiPropertyOptional({ type: CredentialsDto })
  @IfGiven()
  @IsObject()
  @ValidateNested()
  @Type(() => CredentialsDto)
  credentials?: CredentialsDto;

  @ApiProperty({ type: PortsDto })
  @IsDefined()
  @IsObject()
  @ValidateNested()
  @Type(() => PortsDto)
  ports!: PortsDto;

  @ApiPropertyOptional({
    example: { tenant: 'acme' },
    description: '`tenant`: for the tenant of this slug, and no other',
  })
  @IfGiven()
  @IsLabels()
  labels?: Record<string, string>;

  @ApiPropertyOptional({ type: CapacityDto })
  @IfGiven()
  @IsObject()
  @ValidateNested()
  @Type(() => CapacityDto)
  capacity?: CapacityDto;
}

export class ChangeHostDto {
  @ApiPropertyOptional()
  @IfGiven()
  @Matches(NAME, NAME_HINT)
  name?: string;

  @ApiPropertyOptional({ type: ConnectionDto, description: 'Tried before it is taken' })
  @IfGiven()
  @IsObject()
  @ValidateNested()
  @Type(() => ConnectionDto)
  connection?: ConnectionDto;

  @ApiPropertyOptional({ type: CredentialsDto, description: 'All of them: what is left out is forgotten' })
  @IfGiven()
  @IsObject()
  @ValidateNested()
  @Type(() => CredentialsDto)
  credentials?: CredentialsDto;

  @ApiPropertyOptional({ type: PortsDto })
  @IfGiven()
  @IsObject()
  @ValidateNested()
  @Type(() => PortsDto)
  ports?: PortsDto;

  @ApiPropertyOptional({ description: 'All of them' })
  @IfGiven()
  @IsLabels()
  labels?: Record<string, string>;

  @ApiPropertyOptional({ type: CapacityDto, description: 'All of it: what is left out is no limit' })
  @IfGiven()
  @IsObject()
  @ValidateNested()
  @Type(() => CapacityDto)
  capacity?: CapacityDto;
}

export class HostReasonDto {
  @ApiPropertyOptional({ maxLength: 200, description: 'Why, for those who look at it later' })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  reason?: string;
}

export class LostHostDto extends HostReasonDto {
  @ApiPropertyOptional({ default: false, description: 'Agents of which there is no backup begin again with nothing' })
  @IsOptional()
  @IsBoolean()
  startEmpty?: boolean;
}

export class MoveAgentDto {
  @ApiPropertyOptional({ description: 'Left out: placement chooses, another host if there is one' })
  @IfGiven()
  @IsString()
  @Length(1, 64)
  hostId?: string;
}
