import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DomainError } from '#libs/kernel';
import { CoreModule } from '../core.module.js';
import { RotationModule } from '../secrets/rotation/rotation.module.js';
import { SECRETS_HELP, SecretsCommand, Usage } from '../secrets/secrets-command.js';

/** No listeners, no reconciler. */
@Module({ imports: [CoreModule, RotationModule], providers: [SecretsCommand] })
class SecretsCommandModule {}

async function main(words: readonly string[]): Promise<void> {
  if (words.length === 0 || words.includes('--help') || words.includes('-h')) {
    process.stdout.write(SECRETS_HELP);
    return;
  }
  const app = await NestFactory.createApplicationContext(SecretsCommandModule, { logger: false, abortOnError: false });
  try {
    await app.get(SecretsCommand).run(words, (line) => process.stdout.write(`${line}\n`));
  } finally {
    await app.close();
  }
}

const isUsage = (error: unknown): error is Error =>
  error instanceof Usage || String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS');

try {
  await main(process.argv.slice(2));
} catch (error) {
  const text = isUsage(error)
    ? `${error.message}\n\n${SECRETS_HELP}`
    : error instanceof DomainError
      ? error.message
      : (error as Error).stack;
  process.stderr.write(`${text}\n`);
  // Connections that were opened by then would keep a process alive that does nothing.
  process.exit(isUsage(error) ? 2 : 1);
}
