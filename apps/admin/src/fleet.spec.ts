import { describe, expect, it } from 'vitest';
import type { OperationView } from '#libs/contracts';
import { appendPage, applyEvent, EMPTY_FLEET, refreshPage, toneOf } from './fleet.js';

const rows = (...ids: string[]) => ids.map((id) => ({ id }));
const page = (items: readonly { readonly id: string }[], nextCursor: string | null = null) => ({ items, nextCursor });

describe('applyEvent', () => {
  const operation = { id: 'op_1', kind: 'provision', status: 'running', progress: 0.2 } as OperationView;
  const fleet = { ...EMPTY_FLEET, operations: { items: [operation], nextCursor: null } };

  it('changes the row it speaks of and keeps what the event leaves out', () => {
    const next = applyEvent(fleet, { topic: 'operations', id: 'op_1', data: { progress: 0.8 } });
    expect(next.operations.items[0]).toEqual({ ...operation, progress: 0.8 });
  });

  it('invents no row from an event about one that is not listed', () => {
    expect(applyEvent(fleet, { topic: 'operations', id: 'op_2', data: { progress: 1 } }).operations.items).toEqual([
      operation,
    ]);
    expect(applyEvent(fleet, { topic: 'gateways', id: 'op_1', data: { progress: 1 } }).operations.items).toEqual([
      operation,
    ]);
  });
});

describe('pages', () => {
  it('are appended without listing a row twice', () => {
    expect(appendPage(page(rows('a', 'b'), 'c1'), page(rows('b', 'c')))).toEqual(page(rows('a', 'b', 'c')));
  });

  it('keep what a reader has asked for when the first one is loaded again', () => {
    const listed = page(rows('c', 'b', 'a'), 'c2');
    expect(refreshPage(listed, page(rows('d', 'c'), 'c1'))).toEqual(page(rows('d', 'c', 'a'), 'c2'));
  });

  it('become shorter when rows are gone', () => {
    expect(refreshPage(page(rows('a', 'b')), page(rows('a')))).toEqual(page(rows('a')));
  });
});

describe('toneOf', () => {
  it('takes every phase on the way somewhere for busy', () => {
    expect(['placing', 'upgrading', 'ready', 'failed', 'draining'].map(toneOf)).toEqual([
      'busy',
      'busy',
      'good',
      'bad',
      'warn',
    ]);
  });
});
