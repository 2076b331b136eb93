import { DomainError } from '#libs/kernel';
import { describe, expect, it } from 'vitest';
import { createLogger, type LogLevel } from './logger.js';

class EngineDown extends DomainError {
  readonly code = 'engine-down';
  readonly kind = 'unavailable';
}

const capture = (level: LogLevel = 'info') => {
  const lines: string[] = [];
  const logger = createLogger({ name: 'test', level, destination: { write: (line: string) => void lines.push(line) } });
  return {
    logger,
    lines,
    last: () => JSON.parse(lines.at(-1)!) as Record<string, never> & { err: Record<string, unknown> },
  };
};

describe('the logger', () => {
  it('writes one JSON line with level, time, name and fields', () => {
    const { logger, last } = capture();
    logger.info({ tenantId: 'ten_1', took: 3 }, 'member upserted');
    expect(last()).toMatchObject({ level: 'info', name: 'test', tenantId: 'ten_1', took: 3, msg: 'member upserted' });
    expect(Date.parse(last()['time']!)).toBeGreaterThan(0);
  });

  it.each([
    ['authorization', { headers: { authorization: 's3cret-value' } }],
    ['Cookie', { req: { headers: { Cookie: 's3cret-value' } } }],
    ['set-cookie', { a: { b: { c: { 'set-cookie': ['s3cret-value'] } } } }],
    ['password', { body: { user: { password: 's3cret-value' } } }],
    ['api_key', { api_key: 's3cret-value' }],
    ['apiKey in a list', { list: [{ apiKey: 's3cret-value' }] }],
    ['clientSecret', { clientSecret: 's3cret-value' }],
    ['refresh-token', { 'refresh-token': 's3cret-value' }],
  ])('hides the value of %s at any depth', (_name, fields) => {
    const { logger, lines } = capture();
    logger.info(fields, 'event');
    expect(lines[0]).not.toContain('s3cret-value');
    expect(lines[0]).toContain('[redacted]');
  });

  it('hides credentials in texts, wherever they stand', () => {
    const { logger, lines } = capture();
    logger.info({ note: 'key wbt_abcd1234_Zm9vYmFyYmF6 was used' }, 'call with Bearer abcdef0123456789');
    logger.info('postgres://wirebot:hunter22@db:5432/x and eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl');
    const all = lines.join('');
    for (const secret of ['Zm9vYmFyYmF6', 'abcdef0123456789', 'hunter22', 'c2lnbmF0dXJl'])
      expect(all).not.toContain(secret);
    expect(all).toContain('postgres://wirebot:[redacted]@db');
  });

  it.each([
    ['what a warm gateway is claimed with', 'claimed with wbc_Zm9vYmFyYmF6cXV1eA now', 'Zm9vYmFyYmF6cXV1eA'],
    ["a gateway's control credential", 'wbg_Zm9vYmFyYmF6cXV1eA', 'Zm9vYmFyYmF6cXV1eA'],
    ["the key of a tenant's backups", 'AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L', 'ZRY9X8GF2TVDW0S3JN54'],
    [
      "a host's private key",
      'bad key: -----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----\n',
      'b3BlbnNzaC1rZXk',
    ],
    ['a private key that was cut off', '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN', 'MIIEvQIBADAN'],
  ])('hides %s in texts and errors', (_name, text, secret) => {
    const { logger, lines } = capture();
    logger.info(text);
    logger.warn({ note: text, err: new Error(text) }, 'event');
    expect(lines.join('')).not.toContain(secret);
  });

  it('hides secrets given to a child logger', () => {
    const { logger, lines } = capture();
    logger.child({ token: 's3cret-value', requestId: 'r1' }).info('event');
    expect(lines[0]).not.toContain('s3cret-value');
    expect(lines[0]).toContain('r1');
  });

  it('keeps token counts, which are no secrets', () => {
    const { logger, last } = capture();
    logger.info({ usage: { inputTokens: 12, outputTokens: 3 } }, 'answered');
    expect(last()['usage']).toEqual({ inputTokens: 12, outputTokens: 3 });
  });

  it('keeps code and cause chain of an error and drops properties that may carry requests', () => {
    const { logger, last } = capture();
    const root = Object.assign(new Error('connect ECONNREFUSED'), {
      code: 'ECONNREFUSED',
      config: { body: 's3cret-value' },
    });
    logger.error({ err: new EngineDown('The engine is down.', { cause: root }) }, 'placement failed');
    expect(last().err).toMatchObject({
      name: 'EngineDown',
      code: 'engine-down',
      kind: 'unavailable',
      message: 'The engine is down.',
      cause: { code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' },
    });
    expect(JSON.stringify(last())).not.toContain('s3cret-value');
  });

  it('keeps an error that was passed alone', () => {
    const { logger, last } = capture();
    logger.error(new EngineDown('The engine is down.'));
    expect(last().err).toMatchObject({ code: 'engine-down' });
  });

  it('cuts cycles, depth and size', () => {
    const { logger, lines } = capture();
    const cycle: Record<string, unknown> = {
      big: 'x'.repeat(100_000),
      list: Array.from({ length: 10_000 }, (_, i) => i),
    };
    cycle['self'] = cycle;
    logger.info(cycle, 'event');
    expect(lines[0]!.length).toBeLessThan(60_000);
  });
});
