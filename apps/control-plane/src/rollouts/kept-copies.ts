import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Leadership } from '#libs/database';
import type { Duty } from '../provisioning/upkeep/duty.js';
import { Upkeep } from '../provisioning/upkeep/upkeep.js';
import { KeptStates } from '../provisioning/upgrades/kept-states.js';

/** Copies of the state before an upgrade are deleted when their day is over. */
@Injectable()
export class KeptCopies implements Duty, OnModuleInit {
  readonly name = 'kept-copies';
  readonly everyMs = 60_000;

  constructor(
    private readonly upkeep: Upkeep,
    private readonly states: KeptStates,
  ) {}

  onModuleInit(): void {
    this.upkeep.register(this);
  }

  run(lead: Leadership, signal: AbortSignal): Promise<void> {
    return this.states.dropExpired(lead, signal);
  }
}
