import { describe, expect, it } from 'vitest';
import { createLogger } from '#libs/telemetry';
import { NestLogger } from './nest-logger.js';

describe('NestLogger', () => {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
  const logger = new NestLogger(createLogger({ name: 'test', level: 'trace', destination }));
  const last = () => lines.at(-1);

  it('keeps level, message and context of a plain line', () => {
    logger.warn('route mapped', 'RouterExplorer');
    expect(last()).toMatchObject({ level: 'warn', msg: 'route mapped', context: 'RouterExplorer' });
  });

  it('takes an event phrase with fields', () => {
    logger.log({ msg: 'member upserted', tenantId: 'ten_1' }, 'members');
    expect(last()).toMatchObject({ level: 'info', msg: 'member upserted', tenantId: 'ten_1', context: 'members' });
  });

  it('takes the lines of a start as details', () => {
    logger.log('Mapped {/health, GET} route', 'RouterExplorer');
    expect(last()).toMatchObject({ level: 'debug' });
  });

  it('keeps errors with their stack, however they are passed', () => {
    logger.error(new Error('first'), 'ctx');
    expect(last()).toMatchObject({ level: 'error', err: { message: 'first', stack: expect.any(String) } });
    logger.error('second', 'the stack', 'ctx');
    expect(last()).toMatchObject({ msg: 'second', stack: 'the stack', context: 'ctx' });
    logger.error({ msg: 'third', err: new Error('inner') });
    expect(last()).toMatchObject({ msg: 'third', err: { message: 'inner' } });
  });

  it('hides secrets like every other line', () => {
    logger.log({ msg: 'x', password: 's3cret-value' });
    expect(JSON.stringify(last())).not.toContain('s3cret-value');
  });
});
