import { describe, expect, it } from 'vitest';
import { parseArguments } from './arguments.mjs';

const parse = (line: string, env: Record<string, string> = {}) =>
  parseArguments(line.split(' ').filter(Boolean), env, '/home/ada/wirebot');

describe('the command line', () => {
  it('starts with the data directory of the checkout when nothing is said', () => {
    expect(parse('').options).toMatchObject({
      command: 'start',
      driver: undefined,
      port: undefined,
      dataDir: '/home/ada/wirebot/.wirebot',
    });
  });

  it('takes values with a space and with an equals sign', () => {
    expect(parse('start --port 5000 --driver=process').options).toMatchObject({ port: 5000, driver: 'process' });
  });

  it('prefers --data-dir over WIREBOT_DATA_DIR and resolves both', () => {
    expect(parse('stop', { WIREBOT_DATA_DIR: 'state' }).options?.dataDir).toBe('/home/ada/wirebot/state');
    expect(parse('stop --data-dir ../other', { WIREBOT_DATA_DIR: 'state' }).options?.dataDir).toBe('/home/ada/other');
  });

  it('hands everything after demo to the demo', () => {
    expect(parse('demo --port nonsense --data-dir x').options).toMatchObject({
      command: 'demo',
      rest: ['--port', 'nonsense', '--data-dir', 'x'],
    });
  });

  it.each([
    ['--port abc', '--port takes a number'],
    ['--port 70000', '--port takes a number'],
    ['--driver podman', '--driver takes docker or process'],
    ['--driver', '--driver needs a value'],
    ['--prot 4100', 'I do not know "--prot"'],
    ['begin', 'I do not know "begin"'],
  ])('says what is wrong with "%s"', (line, sentence) => {
    expect(parse(line).error).toContain(sentence);
  });
});
