import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { DomainError } from '#libs/kernel';
import { BACKUP_HELP, BackupCommand } from '../backups/backup-command.js';
import { BackupCommandModule } from '../backups/backup-command.module.js';
import { Usage } from '../backups/usage.js';

async function main(words: readonly string[]): Promise<number> {
  if (words.length === 0 || words.includes('--help') || words.includes('-h')) {
    process.stdout.write(BACKUP_HELP);
    return 0;
  }
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new Error('interrupted')));
  const app = await NestFactory.createApplicationContext(BackupCommandModule, { logger: false, abortOnError: false });
  try {
    return await app.get(BackupCommand).run(words, (line) => process.stdout.write(`${line}\n`), stop.signal);
  } finally {
    await app.close();
  }
}

const isUsage = (error: unknown): error is Error =>
  error instanceof Usage || String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS');

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const text = isUsage(error)
    ? `${error.message}\n\n${BACKUP_HELP}`
    : error instanceof DomainError
      ? error.message
      : (error as Error).stack;
  process.stderr.write(`${text}\n`);
  // Connections that were opened by then would keep a process alive that does nothing.
  process.exit(isUsage(error) ? 2 : 3);
}
