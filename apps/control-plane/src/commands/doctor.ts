import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { DomainError } from '#libs/kernel';
import { DOCTOR_HELP, DoctorCommand } from '../provisioning/doctor/doctor-command.js';
import { DoctorCommandModule } from '../provisioning/doctor/doctor-command.module.js';

async function main(words: readonly string[]): Promise<number> {
  if (words.includes('--help') || words.includes('-h')) {
    process.stdout.write(DOCTOR_HELP);
    return 0;
  }
  const app = await NestFactory.createApplicationContext(DoctorCommandModule, { logger: false, abortOnError: false });
  try {
    return await app.get(DoctorCommand).run(words, process.stdout);
  } finally {
    await app.close();
  }
}

const isUsage = (error: unknown): error is Error =>
  String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS');

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  // What could not start may have left connections open; they must not keep the command from ending.
  setImmediate(() => process.exit());
  const text = isUsage(error)
    ? `${error.message}\n\n${DOCTOR_HELP}`
    : error instanceof DomainError
      ? error.message
      : (error as Error).stack;
  process.stderr.write(`${text}\n`);
  process.exitCode = 2;
}
