import { Module } from '@nestjs/common';
import { Waker } from './waker.js';

/** Apart from the reconcilers: whoever changes a row may wake them without being one. */
@Module({ providers: [Waker], exports: [Waker] })
export class WakerModule {}
