import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { GatewayAddress, GatewayDriver, GatewaySpec, GatewayState } from '#libs/drivers/core';
import { describePausing } from './gateway-driver-contract.pausing.js';
import { describeStates } from './gateway-driver-contract.states.js';
import {
  ask,
  type DriverLab,
  eventually,
  failureOf,
  forever,
  newGatewayId,
  specOf,
  untilHealthy,
} from './gateway-driver-lab.js';

const modeOf = (path: string): string => (lstatSync(path).mode & 0o777).toString(8);

function assertRunning(state: GatewayState): asserts state is Extract<GatewayState, { status: 'running' }> {
  expect(state.status).toBe('running');
}

/** What every GatewayDriver promises, tried on a real host. `create` is called once. */
export function describeGatewayDriver(name: string, create: () => Promise<DriverLab>): void {
  describe(`${name} as a GatewayDriver`, () => {
    let lab: DriverLab;
    let made: string[] = [];
    beforeAll(async () => {
      lab = await create();
      await lab.driver.prepare(forever());
      await lab.neighbour.prepare(forever());
    });
    afterEach(async () => {
      const clean = async (driver: GatewayDriver, id: string): Promise<void> => {
        await driver.remove(id, forever());
        await driver.destroyState(id, forever());
      };
      await Promise.all(made.flatMap((id) => [clean(lab.driver, id), clean(lab.neighbour, id)]));
      made = [];
    });
    afterAll(() => lab?.close());

    const draft = (overrides: Partial<GatewaySpec> = {}): GatewaySpec => {
      const spec = specOf(lab, overrides);
      made.push(spec.id);
      return spec;
    };
    const start = async (spec: GatewaySpec): Promise<GatewayAddress> => {
      const address = await lab.driver.ensure(spec, forever());
      await untilHealthy(address);
      return address;
    };
    const running = async (id: string) => {
      const state = await lab.driver.inspect(id, forever());
      assertRunning(state);
      return state;
    };
    const stopped = (id: string) =>
      eventually('the gateway has stopped', async () => {
        const state = await lab.driver.inspect(id, forever());
        return state.status === 'stopped' && state;
      });

    describe('ensure', () => {
      it('starts the gateway and says where it is', async () => {
        const spec = draft({ generation: 7 });
        const address = await start(spec);
        expect(address).toMatchObject({ port: spec.port, controlPort: spec.controlPort });
        expect(await running(spec.id)).toMatchObject({ generation: 7, address });
      });

      it('leaves the running process alone when the spec is the same', async () => {
        const spec = draft();
        const address = await start(spec);
        const before = await running(spec.id);
        expect(await lab.driver.ensure({ ...spec }, forever())).toEqual(address);
        expect(await running(spec.id)).toEqual(before);
      });

      it('finds the running process again from a control plane that has just been started', async () => {
        const spec = draft();
        const address = await start(spec);
        const before = await running(spec.id);
        const reopened = await lab.reopen();
        expect(await reopened.inspect(spec.id, forever())).toEqual(before);
        expect(await reopened.ensure(spec, forever())).toEqual(address);
        expect(await running(spec.id)).toEqual(before);
        await reopened.stop(spec.id, 5, forever());
        await expect(ask(address, '/health')).rejects.toThrow('fetch failed');
      });

      it('replaces another generation after a drain, and keeps its state', async () => {
        const spec = draft();
        await ask(await start(spec), '/remember', { file: 'diary' });
        const address = await start({ ...spec, generation: 2 });
        expect(await ask(address, '/state')).toMatchObject({ files: ['diary', 'drained'] });
        expect((await running(spec.id)).generation).toBe(2);
      });

      it('replaces a gateway whose environment changed within one generation', async () => {
        const spec = draft();
        await start(spec);
        const address = await start({ ...spec, environment: { FIXTURE_COLOUR: 'blue' } });
        expect(await ask(address, '/environment')).toMatchObject({ values: { FIXTURE_COLOUR: 'blue' } });
      });

      it('completes what a crash between creating and starting left', async () => {
        const spec = draft();
        await lab.ensureCutShort(spec);
        await start(spec);
        expect((await lab.driver.list(forever())).filter(({ id }) => id === spec.id)).toEqual([
          { id: spec.id, generation: 1, running: true },
        ]);
      });

      it('starts a stopped gateway again', async () => {
        const spec = draft();
        await start(spec);
        await lab.driver.stop(spec.id, 5, forever());
        await start(spec);
        expect((await running(spec.id)).generation).toBe(1);
      });

      it('does not touch what belongs to somebody else', async () => {
        const spec = draft();
        const occupation = await lab.occupy(spec);
        try {
          const failure = await failureOf(lab.driver.ensure(spec, forever()));
          expect(failure).toMatchObject({ code: occupation.expected, retryable: false });
          await lab.driver.stop(spec.id, 1, forever());
          await lab.driver.remove(spec.id, forever());
          expect(await occupation.untouched()).toBe(true);
        } finally {
          await occupation.end();
        }
      });

      it('says that the image is missing, and that waiting does not help', async () => {
        const spec = draft({ image: '/nowhere/wirebot-missing.mjs'.slice(lab.driver.name === 'process' ? 0 : 9) });
        const failure = await failureOf(lab.driver.ensure(spec, forever()));
        expect(failure).toMatchObject({ code: 'image-missing', retryable: false });
        expect(failure.message).toContain('npm run build');
      });

      it('gives the gateway nothing of its own environment', async () => {
        process.env['WIREBOT_TEST_PLATFORM_KEY'] = 'sk-platform-canary';
        try {
          const address = await start(draft());
          const { names, values } = await ask<{ names: string[]; values: Record<string, string> }>(
            address,
            '/environment',
          );
          expect(names).toContain('FIXTURE_COLOUR');
          expect(JSON.stringify(values)).not.toContain('sk-platform-canary');
        } finally {
          delete process.env['WIREBOT_TEST_PLATFORM_KEY'];
        }
      });

      it('refuses an id and a secret name that lead out of their folders', async () => {
        const signal = forever();
        expect(await failureOf(lab.driver.ensure(specOf(lab, { id: '../escape' }), signal))).toMatchObject({
          code: 'engine-refused',
        });
        expect(await failureOf(lab.driver.destroyState('..', signal))).toMatchObject({ code: 'engine-refused' });
        for (const path of ['../escape', '/etc/escape', 'a/../../escape', '']) {
          const failure = await failureOf(lab.driver.writeSecrets(newGatewayId(), { [path]: 'x' }, signal));
          expect(failure).toMatchObject({ code: 'engine-refused' });
        }
      });
    });

    describe('a gateway that is not there', () => {
      it('is absent, and every other call on it succeeds', async () => {
        const id = newGatewayId();
        expect(await lab.driver.inspect(id, forever())).toEqual({ status: 'absent' });
        await lab.driver.stop(id, 1, forever());
        await lab.driver.remove(id, forever());
        await lab.driver.destroyState(id, forever());
        expect(await lab.driver.logs(id, 10, forever())).toEqual([]);
      });
    });

    describe('ending', () => {
      it('stop drains, reports the exit and keeps the state', async () => {
        const spec = draft();
        await ask(await start(spec), '/remember', { file: 'diary' });
        await lab.driver.stop(spec.id, 10, forever());
        expect(await lab.driver.inspect(spec.id, forever())).toEqual({
          status: 'stopped',
          generation: 1,
          exitCode: 0,
          oomKilled: false,
        });
        expect(readdirSync(join(lab.stateRoot, spec.id)).sort()).toEqual(['diary', 'drained']);
        await lab.driver.stop(spec.id, 10, forever());
      });

      it('stop kills a gateway that does not listen', async () => {
        const spec = draft({ environment: { FIXTURE_IGNORE_SIGTERM: 'yes' } });
        await start(spec);
        await lab.driver.stop(spec.id, 1, forever());
        expect(await stopped(spec.id)).toMatchObject({ exitCode: 137 });
      });

      it('a gateway killed from outside is reported as stopped, or back at its address with its secrets', async () => {
        const spec = draft();
        const address = await start(spec);
        const before = await running(spec.id);
        await lab.kill(spec.id);
        const after = await eventually('the end was noticed', async () => {
          const state = await lab.driver.inspect(spec.id, forever());
          const settled = lab.restartsByItself
            ? state.status === 'running' && state.startedAt !== before.startedAt
            : state.status === 'stopped';
          return settled && state;
        });
        expect(after).toMatchObject(lab.restartsByItself ? { address } : { exitCode: 137 });
        // Where nothing restarts it, the reconciler does; where the engine did, this is a no-op.
        expect(await start(spec)).toEqual(address);
        expect(await ask(address, '/secret', { name: 'token.txt' })).toEqual({ value: 'first-value' });
      });

      it('remove ends the process and deletes the secrets; the state stays until it is destroyed', async () => {
        const spec = draft();
        const address = await start(spec);
        await ask(address, '/remember', { file: 'diary' });
        await lab.driver.remove(spec.id, forever());
        await expect(ask(address, '/health')).rejects.toThrow('fetch failed');
        expect(await lab.driver.inspect(spec.id, forever())).toEqual({ status: 'absent' });
        expect(existsSync(join(lab.secretsRoot, spec.id))).toBe(false);
        expect(existsSync(join(lab.stateRoot, spec.id, 'diary'))).toBe(true);
        await lab.driver.remove(spec.id, forever());
        await lab.driver.destroyState(spec.id, forever());
        expect(existsSync(join(lab.stateRoot, spec.id))).toBe(false);
      });

      it('destroyState refuses while the gateway runs', async () => {
        const spec = draft();
        await ask(await start(spec), '/remember', { file: 'diary' });
        expect(await failureOf(lab.driver.destroyState(spec.id, forever()))).toMatchObject({ code: 'gateway-running' });
        expect(existsSync(join(lab.stateRoot, spec.id, 'diary'))).toBe(true);
      });
    });

    describe('two installations on one host', () => {
      it('use the same gateway id without seeing each other', async () => {
        const spec = draft();
        const other = draft({ id: spec.id, generation: 5 });
        const address = await start(spec);
        await untilHealthy(await lab.neighbour.ensure(other, forever()));
        expect(await lab.driver.list(forever())).toEqual([{ id: spec.id, generation: 1, running: true }]);
        expect(await lab.neighbour.list(forever())).toEqual([{ id: spec.id, generation: 5, running: true }]);
        await lab.neighbour.remove(spec.id, forever());
        expect(await ask(address, '/health')).toEqual({ ok: true });
      });

      it('list also shows what is stopped', async () => {
        const spec = draft();
        await start(spec);
        await lab.driver.stop(spec.id, 5, forever());
        expect(await lab.driver.list(forever())).toEqual([{ id: spec.id, generation: 1, running: false }]);
      });
    });

    describe('secrets', () => {
      it('are private files, replaced in place and visible without a restart; what is not listed is removed', async () => {
        const spec = draft({ secrets: { 'token.txt': 'one', 'agents/a1/key': 'two', 'old.txt': 'three' } });
        const address = await start(spec);
        const before = await running(spec.id);
        const folder = join(lab.secretsRoot, spec.id);
        const mounted = lstatSync(folder).ino;
        expect(await ask(address, '/secret', { name: 'agents/a1/key' })).toEqual({ value: 'two' });
        await lab.driver.writeSecrets(spec.id, { 'token.txt': 'changed', 'agents/a2/key': 'new' }, forever());
        expect(await ask(address, '/secret', { name: 'token.txt' })).toEqual({ value: 'changed' });
        expect(await ask(address, '/secret', { name: 'agents/a2/key' })).toEqual({ value: 'new' });
        expect(readdirSync(folder, { recursive: true }).map(String).sort()).toEqual([
          'agents',
          'agents/a2',
          'agents/a2/key',
          'token.txt',
        ]);
        expect([folder, join(folder, 'agents/a2')].map(modeOf)).toEqual(['700', '700']);
        expect([join(folder, 'token.txt'), join(folder, 'agents/a2/key')].map(modeOf)).toEqual(['600', '600']);
        expect(lstatSync(folder).ino).toBe(mounted);
        expect(await running(spec.id)).toEqual(before);
      });

      it('that change do not restart the gateway on the next ensure', async () => {
        const spec = draft();
        const address = await start(spec);
        const before = await running(spec.id);
        await lab.driver.ensure({ ...spec, secrets: { 'token.txt': 'second-value' } }, forever());
        expect(await running(spec.id)).toEqual(before);
        expect(await ask(address, '/secret', { name: 'token.txt' })).toEqual({ value: 'second-value' });
      });

      it('survive a writer that was killed half way', async () => {
        const spec = draft();
        const address = await start(spec);
        const folder = join(lab.secretsRoot, spec.id);
        // What such a writer leaves: a temporary file beside the old value.
        await lab.driver.writeSecrets(spec.id, { 'token.txt': 'first-value', '_new-leftover': 'half' }, forever());
        await lab.driver.writeSecrets(spec.id, { 'token.txt': 'whole' }, forever());
        expect(readdirSync(folder)).toEqual(['token.txt']);
        expect(readFileSync(join(folder, 'token.txt'), 'utf8')).toBe('whole');
        expect(await ask(address, '/secret', { name: 'token.txt' })).toEqual({ value: 'whole' });
      });
    });

    describe('watching', () => {
      it('yields a gateway that started and one that ended, and ends with its signal', async () => {
        const spec = draft();
        const stop = new AbortController();
        const seen: string[] = [];
        const watching = (async () => {
          for await (const id of lab.driver.watch(stop.signal)) seen.push(id);
        })();
        const address = await eventually('the start was seen', async () => {
          // The watch begins somewhere in here; a gap before it is allowed, so the gateway is started until it is seen.
          const at = await lab.driver.ensure(spec, forever());
          await untilHealthy(at);
          if (seen.includes(spec.id)) return at;
          await lab.driver.stop(spec.id, 5, forever());
          return undefined;
        });
        await eventually('events calm down', async () => {
          const before = seen.length;
          await new Promise((resolve) => setTimeout(resolve, 300));
          return seen.length === before;
        });
        const before = seen.length;
        await ask(address, '/exit', { code: '0' });
        await eventually('the end was seen', async () => seen.slice(before).includes(spec.id));
        stop.abort();
        await watching;
        expect(new Set(seen)).toEqual(new Set([spec.id]));
      });

      it('logs gives the last lines of both streams, oldest first', async () => {
        const spec = draft();
        const address = await start(spec);
        for (const line of ['one', 'two', 'three with ümlaut']) await ask(address, '/say', { line });
        const lines = await eventually('the lines are there', async () => {
          const last = await lab.driver.logs(spec.id, 2, forever());
          return last.at(-1) === 'three with ümlaut' && last;
        });
        expect(lines).toEqual(['two', 'three with ümlaut']);
        expect(await lab.driver.logs(spec.id, 100, forever())).toContain('fixture gateway listening');
      });
    });

    const bench = { lab: () => lab, draft, start, running };
    describePausing(bench);
    describeStates(bench);

    describe('an aborted call', () => {
      it('rejects with the reason and has started nothing', async () => {
        const reason = new Error('shutting down');
        const aborted = AbortSignal.abort(reason);
        const spec = draft();
        const calls = [
          lab.driver.prepare(aborted),
          lab.driver.ensure(spec, aborted),
          lab.driver.inspect(spec.id, aborted),
          lab.driver.stop(spec.id, 1, aborted),
          lab.driver.remove(spec.id, aborted),
          lab.driver.destroyState(spec.id, aborted),
          lab.driver.list(aborted),
          lab.driver.logs(spec.id, 1, aborted),
          lab.driver.writeSecrets(spec.id, {}, aborted),
          lab.driver.pause(spec.id, aborted),
          lab.driver.resume(spec.id, aborted),
          lab.driver.adjust(spec.id, spec.resources, aborted),
          lab.driver.stats(spec.id, aborted),
          lab.driver.usage(aborted),
          lab.driver.keepState(spec.id, 'a', aborted),
          lab.driver.restoreState(spec.id, 'a', aborted),
          lab.driver.dropState(spec.id, 'a', aborted),
          lab.driver.listStates(aborted),
        ];
        for (const result of await Promise.allSettled(calls)) expect(result).toEqual({ status: 'rejected', reason });
        expect(await lab.driver.inspect(spec.id, forever())).toEqual({ status: 'absent' });
      });

      it('does not wait for a gateway that takes its time to end', async () => {
        const spec = draft({ environment: { FIXTURE_IGNORE_SIGTERM: 'yes' } });
        await start(spec);
        const reason = new Error('shutting down');
        const stop = new AbortController();
        const stopping = lab.driver.stop(spec.id, 3, stop.signal);
        setTimeout(() => stop.abort(reason), 200);
        await expect(stopping).rejects.toBe(reason);
        expect((await lab.driver.inspect(spec.id, forever())).status).toBe('running');
        await lab.driver.stop(spec.id, 0, forever());
      });
    });
  });
}

/** For drivers whose host is reached through an engine: what they say while it is down. `driver` names one that is not there. */
export function describeUnreachableEngine(name: string, driver: GatewayDriver): void {
  describe(`${name} without its engine`, () => {
    it('names it in a failure that another try can heal', async () => {
      const id = newGatewayId();
      const calls = [
        driver.prepare(forever()),
        driver.inspect(id, forever()),
        driver.list(forever()),
        driver.remove(id, forever()),
      ];
      const failures = await Promise.all(calls.map(failureOf));
      for (const failure of failures) expect(failure).toMatchObject({ code: 'engine-unreachable', retryable: true });
    });
  });
}
