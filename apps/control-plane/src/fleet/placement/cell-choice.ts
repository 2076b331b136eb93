import type { GatewayLoad } from '#libs/contracts';

/** What a cell may bear before it takes nobody new. */
export const CELL_BOUNDS = {
  /** 99th percentile of its event loop's delay, in milliseconds: beyond, every member of the cell waits noticeably. */
  eventLoopP99Ms: 200,
  /** Share of its memory limit. */
  memory: 0.8,
  /** What a cell said longer ago says nothing of it now, in milliseconds. */
  freshMs: 300_000,
} as const;

export interface Cell {
  readonly id: string;
  readonly hostId: string;
  readonly agents: number;
  readonly load: GatewayLoad | null;
  readonly loadAt: Date | null;
}

/** Why a cell takes nobody new, in words; undefined while it can, or while nothing fresh is known of it. */
export function overloadOf(load: GatewayLoad | null, loadAt: Date | null, now: Date): string | undefined {
  if (!load || !loadAt || now.getTime() - loadAt.getTime() > CELL_BOUNDS.freshMs) return undefined;
  if (load.eventLoopP99Ms > CELL_BOUNDS.eventLoopP99Ms)
    return `its event loop is late by ${Math.round(load.eventLoopP99Ms)} ms (p99); ${CELL_BOUNDS.eventLoopP99Ms} ms is the bound`;
  const share = load.rssBytes / load.memoryLimitBytes;
  if (share > CELL_BOUNDS.memory)
    return `it uses ${Math.round(share * 100)} % of its memory; ${CELL_BOUNDS.memory * 100} % is the bound`;
  return undefined;
}

export interface CellWish {
  readonly size: number;
  readonly now: Date;
  /** Never this one: the agent is there. */
  readonly except: string | null;
  /** Somebody chose this host. */
  readonly hostId: string | null;
  /** It leaves a crowded one: the emptiest is best. */
  readonly relief: boolean;
}

/** The fullest cell that still has room, so that few processes serve many agents; for relief the emptiest. */
export function chooseCell(cells: readonly Cell[], wish: CellWish): Cell | undefined {
  const open = cells.filter(
    (cell) =>
      cell.id !== wish.except &&
      cell.agents < wish.size &&
      (wish.hostId === null || cell.hostId === wish.hostId) &&
      overloadOf(cell.load, cell.loadAt, wish.now) === undefined,
  );
  const direction = wish.relief ? 1 : -1;
  return open.sort((a, b) => direction * (a.agents - b.agents) || a.id.localeCompare(b.id))[0];
}
