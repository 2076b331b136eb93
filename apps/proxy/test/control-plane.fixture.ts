import type {
  QuotaAnswer,
  QuotaCall,
  RouteFrame,
  TrustSignalReport,
  UsageBatch,
  UsageRecordReport,
} from '#libs/contracts';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const listening = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};

export const closed = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

/** What a control plane without any limit answers. */
export const grantAll = (call: QuotaCall): QuotaAnswer => ({
  validSeconds: 300,
  gone: [],
  grants: call.asks.map(({ leaseId, granted, need, ahead }) => ({
    leaseId,
    status: 'granted',
    granted: {
      tokens: granted.tokens + need.tokens + ahead.tokens,
      micros: granted.micros + need.micros + ahead.micros,
    },
    scarce: false,
    refusal: null,
    limitedBy: null,
  })),
});

interface ScriptedAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** The control plane's internal endpoints. */
export class FakeControlPlane {
  /** Everything that was reported, repeats included. */
  readonly records: UsageRecordReport[] = [];
  readonly signals: TrustSignalReport[] = [];
  readonly leaseCalls: QuotaCall[] = [];
  /** The status that reports are refused with. */
  refuseReports: number | undefined;
  /** Records that make their report invalid. */
  refuseRecord: ((record: UsageRecordReport) => boolean) | undefined;
  /** Reports that arrived, refused ones too. */
  reports = 0;
  leases: (call: QuotaCall) => QuotaAnswer | undefined = grantAll;
  readonly feeds = new Set<ServerResponse>();
  connects = 0;
  credentials: (string | undefined)[] = [];
  exchange: (body: { tenantId: string; code: string }) => ScriptedAnswer | Promise<ScriptedAnswer> = () => ({
    status: 401,
    body: { code: 'sign-in-code-invalid' },
  });
  wake: (body: { agentId: string }) => ScriptedAnswer | undefined = () => ({
    status: 202,
    body: { accepted: true, trouble: null },
  });
  /** Sign-outs that arrived; the status they are answered with. */
  readonly signOuts: unknown[] = [];
  signOutStatus = 204;
  tokenExchange: (body: { tenantId: string; token: string }) => ScriptedAnswer | Promise<ScriptedAnswer> = () => ({
    status: 401,
    body: { code: 'site-token-invalid' },
  });
  #server: Server = this.#create();
  port = 0;

  constructor(private readonly snapshot: () => RouteFrame) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<this> {
    this.port = await listening(this.#server);
    return this;
  }

  async stop(): Promise<void> {
    if (this.#server.listening) await closed(this.#server);
  }

  async restart(port: number): Promise<void> {
    this.#server = this.#create();
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  send(frame: unknown): void {
    for (const feed of this.feeds) feed.write(`${typeof frame === 'string' ? frame : JSON.stringify(frame)}\n`);
  }

  #answer(url: string, body: unknown): ScriptedAnswer | Promise<ScriptedAnswer> {
    if (url === '/internal/sign-in/sign-out') {
      if (this.signOutStatus < 300) this.signOuts.push(body);
      return { status: this.signOutStatus, body: {} };
    }
    if (url === '/internal/token-exchange') return this.tokenExchange(body as { tenantId: string; token: string });
    if (url === '/internal/wake') return this.wake(body as { agentId: string }) ?? new Promise(() => undefined);
    if (url === '/internal/usage') {
      this.reports += 1;
      if (this.refuseReports) return { status: this.refuseReports, body: { code: 'scripted' } };
      const { records, signals } = body as UsageBatch;
      if (this.refuseRecord && records.some(this.refuseRecord))
        return { status: 400, body: { code: 'request-invalid' } };
      this.records.push(...records);
      this.signals.push(...signals);
      return { status: 200, body: { accepted: records.length, known: 0 } };
    }
    if (url === '/internal/quota/leases') {
      this.leaseCalls.push(body as QuotaCall);
      const answer = this.leases(body as QuotaCall);
      return answer ? { status: 200, body: answer } : { status: 503, body: {} };
    }
    return this.exchange(body as { tenantId: string; code: string });
  }

  #create(): Server {
    return createServer((req, res) => {
      this.credentials.push(req.headers.authorization);
      if (req.headers.authorization !== 'Bearer proxy-secret') return void res.writeHead(401).end();
      if (req.url === '/internal/routes') {
        this.connects += 1;
        this.feeds.add(res);
        res.on('close', () => this.feeds.delete(res));
        res.writeHead(200, { 'content-type': 'application/x-ndjson' });
        return void res.write(`${JSON.stringify(this.snapshot())}\n`);
      }
      let text = '';
      req.on('data', (chunk) => (text += chunk));
      req.on('end', async () => {
        const { status, body } = await this.#answer(req.url ?? '', JSON.parse(text));
        res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
    });
  }
}
