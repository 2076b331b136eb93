import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { GatewayDriver, GatewaySpec } from '#libs/drivers/core';
import { ask, type DriverBench, failureOf, forever, newGatewayId } from './gateway-driver-lab.js';

/** State directories and their kept copies: what an upgrade goes back to. */
export function describeStates(bench: DriverBench): void {
  const driver = (): GatewayDriver => bench.lab().driver;
  const fileOf = (id: string, name: string): string => join(bench.lab().stateRoot, id, name);
  const statesOf = async (id: string) => (await driver().listStates(forever())).find((state) => state.id === id);
  /** A gateway that has written `text` to its diary and ended. */
  const ended = async (text = 'one'): Promise<GatewaySpec> => {
    const spec = bench.draft();
    await ask(await bench.start(spec), '/remember', { file: 'diary' });
    await driver().stop(spec.id, 5, forever());
    writeFileSync(fileOf(spec.id, 'diary'), text);
    return spec;
  };

  describe('kept states', () => {
    it('come back as they were, as often as needed, with owner and rights', async () => {
      const spec = await ended();
      const before = lstatSync(fileOf(spec.id, 'diary'));
      await driver().keepState(spec.id, 'before-v2', forever());
      for (const text of ['two', 'three']) {
        writeFileSync(fileOf(spec.id, 'diary'), text);
        writeFileSync(fileOf(spec.id, 'new-in-v2'), text);
        await driver().restoreState(spec.id, 'before-v2', forever());
        expect(readFileSync(fileOf(spec.id, 'diary'), 'utf8')).toBe('one');
        expect(existsSync(fileOf(spec.id, 'new-in-v2'))).toBe(false);
      }
      const { uid, gid, mode, mtimeMs } = lstatSync(fileOf(spec.id, 'diary'));
      expect({ uid, gid, mode }).toEqual({ uid: before.uid, gid: before.gid, mode: before.mode });
      expect(Math.abs(mtimeMs - before.mtimeMs)).toBeLessThan(1_000);
      expect(lstatSync(fileOf(spec.id, '.')).mode & 0o777).toBe(0o700);
      const address = await bench.start(spec);
      expect(await ask(address, '/remember', { file: 'diary' })).toEqual({ result: 'done' });
    });

    it('are listed by name, replaced by a newer one of the same name, and dropped', async () => {
      const spec = await ended();
      await driver().keepState(spec.id, 'a', forever());
      await driver().keepState(spec.id, 'b', forever());
      writeFileSync(fileOf(spec.id, 'diary'), 'newer');
      await driver().keepState(spec.id, 'a', forever());
      expect(await statesOf(spec.id)).toEqual({ id: spec.id, kept: ['a', 'b'] });
      await driver().restoreState(spec.id, 'b', forever());
      await driver().restoreState(spec.id, 'a', forever());
      expect(readFileSync(fileOf(spec.id, 'diary'), 'utf8')).toBe('newer');
      for (const name of ['a', 'a', 'b']) await driver().dropState(spec.id, name, forever());
      expect(await statesOf(spec.id)).toEqual({ id: spec.id, kept: [] });
      expect(await failureOf(driver().restoreState(spec.id, 'a', forever()))).toMatchObject({
        code: 'state-directory-unusable',
        retryable: false,
      });
      expect(readFileSync(fileOf(spec.id, 'diary'), 'utf8')).toBe('newer');
    });

    it('go with the state when it is destroyed', async () => {
      const spec = await ended();
      await driver().keepState(spec.id, 'a', forever());
      await driver().remove(spec.id, forever());
      expect(await statesOf(spec.id)).toEqual({ id: spec.id, kept: ['a'] });
      await driver().destroyState(spec.id, forever());
      expect(await statesOf(spec.id)).toBeUndefined();
      expect(await failureOf(driver().restoreState(spec.id, 'a', forever()))).toMatchObject({
        code: 'state-directory-unusable',
      });
    });

    it('are neither made, put back nor destroyed while the gateway runs or is paused', async () => {
      const spec = await ended();
      await driver().keepState(spec.id, 'a', forever());
      await bench.start(spec);
      for (const freeze of [false, true]) {
        if (freeze) await driver().pause(spec.id, forever());
        for (const call of [
          () => driver().keepState(spec.id, 'a', forever()),
          () => driver().restoreState(spec.id, 'a', forever()),
          () => driver().destroyState(spec.id, forever()),
        ])
          expect(await failureOf(call())).toMatchObject({ code: 'gateway-running', retryable: false });
      }
      expect(await statesOf(spec.id)).toEqual({ id: spec.id, kept: ['a'] });
    });

    it('hold links as links and nothing of what they point to', async () => {
      const spec = await ended();
      const outside = join(bench.lab().stateRoot, '..', `outside-${spec.id}`);
      mkdirSync(outside);
      writeFileSync(join(outside, 'treasure'), 'not theirs');
      symlinkSync(outside, fileOf(spec.id, 'folder'));
      symlinkSync(join(outside, 'treasure'), fileOf(spec.id, 'file'));
      await driver().keepState(spec.id, 'a', forever());
      await driver().restoreState(spec.id, 'a', forever());
      expect(readlinkSync(fileOf(spec.id, 'folder'))).toBe(outside);
      expect(readlinkSync(fileOf(spec.id, 'file'))).toBe(join(outside, 'treasure'));
      await driver().destroyState(spec.id, forever());
      expect(readFileSync(join(outside, 'treasure'), 'utf8')).toBe('not theirs');
    });

    it('that an aborted call began are not there', async () => {
      const spec = await ended();
      mkdirSync(fileOf(spec.id, 'many'));
      for (let n = 0; n < 200; n += 1) writeFileSync(fileOf(spec.id, `many/${n}`), 'x');
      const stop = new AbortController();
      const reason = new Error('shutting down');
      const keeping = driver().keepState(spec.id, 'a', stop.signal);
      setImmediate(() => stop.abort(reason));
      await expect(keeping).rejects.toBe(reason);
      expect(await statesOf(spec.id)).toEqual({ id: spec.id, kept: [] });
      await driver().keepState(spec.id, 'a', forever());
      expect(await statesOf(spec.id)).toEqual({ id: spec.id, kept: ['a'] });
    });

    it('have names that lead nowhere else, and exist only of what has a state', async () => {
      const spec = await ended();
      for (const name of ['../a', '', 'A', 'a/b', '.', 'x'.repeat(33)]) {
        for (const call of [
          () => driver().keepState(spec.id, name, forever()),
          () => driver().restoreState(spec.id, name, forever()),
          () => driver().dropState(spec.id, name, forever()),
        ])
          expect(await failureOf(call())).toMatchObject({ code: 'engine-refused', retryable: false });
      }
      const nobody = newGatewayId();
      await driver().dropState(nobody, 'a', forever());
      expect(await failureOf(driver().keepState(nobody, 'a', forever()))).toMatchObject({
        code: 'state-directory-unusable',
        retryable: false,
      });
      expect(await statesOf(nobody)).toBeUndefined();
    });
  });
}
