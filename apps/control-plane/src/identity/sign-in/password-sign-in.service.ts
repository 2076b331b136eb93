import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LoginInvalid } from '../identity.errors.js';
import { normalizeEmail, UsersService } from '../users.service.js';
import { DeviceCookies } from './device-cookies.js';
import { SignInFlow, type SignInOutcome } from './sign-in-flow.js';
import { networkOf, SignInLimits } from './sign-in-limits.js';

@Injectable()
export class PasswordSignInService {
  constructor(
    private readonly users: UsersService,
    private readonly limits: SignInLimits,
    private readonly devices: DeviceCookies,
    private readonly flow: SignInFlow,
  ) {}

  /** Throws LoginInvalid (the same for an unknown address and a wrong password) or TooManyAttempts. */
  async signIn(
    address: string,
    password: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<SignInOutcome> {
    const email = normalizeEmail(address);
    await this.#count(email, request);
    const user = await this.users.verify(email, password);
    if (!user) throw new LoginInvalid();
    return this.flow.finish(user.id, 'password', reply, ({ passwordHash }) => {
      if (passwordHash !== user.passwordHash) throw new LoginInvalid();
    });
  }

  async #count(email: string, request: FastifyRequest): Promise<void> {
    await this.limits.consume('address', request.ip);
    const about = () => this.users.idOf(email);
    const device = this.devices.known(request.headers, email);
    await this.limits.consume('pair', `${email} ${device ?? networkOf(request.ip)}`, about);
    if (device === undefined) await this.limits.consume('email', email, about);
  }
}
