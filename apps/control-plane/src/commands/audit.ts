import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { AUDIT_HELP, AuditCommand, Usage } from '../audit/audit-command.js';
import { AuditCommandModule } from '../audit/audit-command.module.js';

async function main(words: readonly string[]): Promise<number> {
  if (words.length === 0 || words.includes('--help') || words.includes('-h')) {
    process.stdout.write(AUDIT_HELP);
    return 0;
  }
  const app = await NestFactory.createApplicationContext(AuditCommandModule, { logger: false, abortOnError: false });
  try {
    return await app.get(AuditCommand).run(words, process.stdout);
  } finally {
    await app.close();
  }
}

const isUsage = (error: unknown): error is Error =>
  error instanceof Usage || String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS');

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  // What could not start may have left connections open; they must not keep the command from ending.
  setImmediate(() => process.exit());
  process.stderr.write(`${isUsage(error) ? `${error.message}\n\n${AUDIT_HELP}` : (error as Error).stack}\n`);
  process.exitCode = isUsage(error) ? 2 : 3;
}
