import { Injectable } from '@nestjs/common';
import { MailOutbox } from '../../mail/mail-outbox.js';

export interface SignInProvider {
  /** Part of its address. */
  readonly key: string;
  readonly name: string;
}

export interface SignInMethodsView {
  readonly password: true;
  readonly magicLink: { readonly available: boolean; readonly reason: string | null };
  readonly passwordReset: { readonly available: boolean; readonly reason: string | null };
  readonly passkeys: boolean;
  readonly providers: readonly SignInProvider[];
}

/** What a feature adds to the ways to sign in; asked each time, because operators change it. */
export type SignInMethodSource = () => Promise<{
  readonly passkeys?: boolean;
  readonly providers?: readonly SignInProvider[];
}>;

/** The ways to sign in that are offered here. */
@Injectable()
export class SignInMethods {
  readonly #sources: SignInMethodSource[] = [];

  constructor(private readonly outbox: MailOutbox) {}

  /** Call when the module starts. */
  register(source: SignInMethodSource): void {
    this.#sources.push(source);
  }

  async list(): Promise<SignInMethodsView> {
    const found = await Promise.all(this.#sources.map((source) => source()));
    const reason = this.outbox.unavailable ?? null;
    const mailed = { available: reason === null, reason };
    return {
      password: true,
      magicLink: mailed,
      passwordReset: mailed,
      passkeys: found.some((source) => source.passkeys === true),
      providers: found.flatMap((source) => source.providers ?? []),
    };
  }
}
