import { isAlive, type ProcessIdentity } from '#libs/drivers/core';
import { deadline } from '#libs/kernel';
import { join } from 'node:path';
import type { StackOptions } from '../build/arguments.mjs';
import { driverFor } from './gateway-host.js';
import { readOptional } from './optional-file.js';
import { stackPaths, type StackPaths } from './paths.js';
import { findPostmaster } from './postgres-processes.js';
import { answersOk } from './readiness.js';
import { RunFile, type RunRecord } from './run-file.js';
import { engineAnswers } from '../docker/engine-ping.js';

const STOPPED = 3;
const GATEWAYS_LIMIT = 5_000;

interface Row {
  readonly part: string;
  readonly pid: number | null;
  readonly state: 'ready' | 'running' | 'not ready' | 'stopped' | 'unknown';
  readonly url: string;
}

/** Prints what runs. Exit code 0 when control plane and proxy are ready, else 3. */
export async function status(options: StackOptions): Promise<number> {
  const paths = stackPaths(options.dataDir);
  const record = await RunFile.read(paths.run);
  const rows = record ? await rowsOf(record, paths) : [];
  const running = rows
    .filter((row) => row.part === 'control plane' || row.part === 'proxy')
    .every((row) => row.state === 'ready');
  const state = rows.length > 0 && running ? 'running' : 'stopped';
  if (options.json) console.log(JSON.stringify({ state, parts: rows }));
  else console.log(rows.length > 0 ? table(rows) : 'Nothing runs.');
  return state === 'running' ? 0 : STOPPED;
}

async function rowsOf(record: RunRecord, paths: StackPaths): Promise<Row[]> {
  return [
    row('supervisor', record.supervisor, ''),
    await databaseRow(record, paths),
    ...(record.host?.driver === 'docker' ? [await engineRow(record.host)] : []),
    await servingRow('control plane', record.parts['control-plane'], record.urls?.controlPlane),
    await servingRow('proxy', record.parts.proxy, record.urls?.proxy),
    await gatewaysRow(record, paths),
  ];
}

const row = (part: string, identity: ProcessIdentity | undefined, url: string): Row => {
  const alive = identity !== undefined && isAlive(identity);
  return { part, pid: alive ? identity.pid : null, state: alive ? 'running' : 'stopped', url };
};

async function databaseRow(record: RunRecord, paths: StackPaths): Promise<Row> {
  if (!record.embeddedPostgres) return { part: 'PostgreSQL', pid: null, state: 'unknown', url: 'DATABASE_URL' };
  const server = await findPostmaster(join(paths.dataDir, 'postgres'));
  return row('PostgreSQL', server?.identity, server ? server.socketDir : '');
}

const engineRow = async (host: { socketPath: string; enginePid: number | null; ownEngine: boolean }): Promise<Row> => ({
  part: host.ownEngine ? 'Docker Engine (ours)' : 'Docker Engine',
  pid: host.enginePid,
  state: (await engineAnswers(host.socketPath)) ? 'running' : 'stopped',
  url: host.socketPath,
});

async function servingRow(part: string, identity: ProcessIdentity | undefined, url: string | undefined): Promise<Row> {
  const found = row(part, identity, url ?? '');
  if (found.state === 'stopped' || !url) return found;
  return { ...found, state: (await answersOk(`${url}/ready`)) ? 'ready' : 'not ready' };
}

async function gatewaysRow(record: RunRecord, paths: StackPaths): Promise<Row> {
  const instance = ((await readOptional(paths.instance)) ?? '').trim();
  if (!record.host || !record.gatewayPorts) return { part: 'gateways', pid: null, state: 'unknown', url: '' };
  try {
    const driver = await driverFor(record.host, instance, paths, record.gatewayPorts);
    const gateways = await driver.list(deadline(GATEWAYS_LIMIT));
    const running = gateways.filter((gateway) => gateway.running).length;
    return {
      part: 'gateways',
      pid: null,
      state: running > 0 ? 'running' : 'stopped',
      url: `${running} of ${gateways.length} running (${record.host.driver})`,
    };
  } catch (error) {
    // The engine is down: that is a state to report, not a failure of this command.
    return { part: 'gateways', pid: null, state: 'unknown', url: (error as Error).message };
  }
}

function table(rows: readonly Row[]): string {
  const cells = [
    ['part', 'pid', 'state', 'where'],
    ...rows.map((row) => [row.part, row.pid === null ? '-' : String(row.pid), row.state, row.url]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...cells.map((line) => line[column]!.length)));
  return cells
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
