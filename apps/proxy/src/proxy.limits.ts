/** Every limit of the proxy in one place. Times in milliseconds, sizes in bytes. */
export const LIMITS = {
  /** Request line and headers together. */
  headers: 16 * 1024,
  url: 8 * 1024,
  /** A body on its way to a gateway, declared or counted. */
  gatewayBody: 1024 * 1024,
  /** Of a body that a gateway declined because it falls asleep, this much can be sent again. */
  replayBody: 64 * 1024,
  /** Requests and upgrades that wait for agents that sleep or move: of one agent, of one tenant, altogether. */
  waitingPerAgent: 128,
  waitingPerTenant: 1024,
  waiting: 4096,
  /** Of those places, the share that may be taken without a token: the rest is for members. */
  waitingUnknownShare: 1 / 2,
  /** A body on its way to a model provider. */
  modelBody: 32 * 1024 * 1024,
  /** A body that the proxy reads itself (`/auth/*`). */
  ownBody: 4 * 1024,
  /** How much of a refused body is read and thrown away, so that the client gets to see the answer. */
  refusedBody: 32 * 1024 * 1024,
  connections: 20_000,
  /** Requests and answers in flight to one gateway or provider. */
  perUpstream: 1024,
  /** Model calls in flight of one agent. */
  modelCallsPerAgent: 8,
  /** Tenants' and members' provider keys that are open in memory. */
  openProviderKeys: 1_000,
  /** Verified tokens remembered. */
  tokenCache: 10_000,
  /** Tokens of membership sites that are being exchanged at once. */
  tokenExchanges: 64,
  /** Bytes of a model call's body that are looked into before it is passed on. */
  readBody: 1024 * 1024,
  /** One file of the usage journal. */
  journalFile: 1024 * 1024,
  /** Bytes of a model answer the usage tap looks at as one piece; longer pieces pass unread. */
  usagePiece: 1024 * 1024,
  /** Files of the chat page together. */
  chatPage: 32 * 1024 * 1024,
  /** Tenants with a metrics label of their own; later ones share `other`. */
  tenantLabels: 1000,
} as const;

export const TIMES = {
  /** From the first byte of a request to its last header. */
  receiveHeaders: 10_000,
  /** From the first byte of a request to the last of its body. */
  receiveRequest: 120_000,
  keepAlive: 65_000,
  connect: 2_000,
  /** A gateway's answer must begin by then. */
  gatewayHeaders: 60_000,
  /** A route that is held becomes live within this time, as a rule: agents that move, gateways that are replaced. */
  heldRoute: 5_000,
  /** A gateway that declined, without news of why, is tried again after this long. */
  refusedRetry: 1_000,
  /** One call of the control plane that wakes an agent. */
  wakeCall: 3_000,
  /** The wish that a gateway be awake is said again this often. */
  wakeRepeat: 5_000,
  /** Nobody is kept waiting for a control plane that has not answered for this long. */
  wakePatience: 5_000,
  /** Silence inside an answer after which it counts as dead. */
  bodySilence: 300_000,
  /** A model's answer must begin by then: without streaming it begins when it is complete. */
  modelHeaders: 600_000,
  signIn: 10_000,
  signOut: 3_000,
  tokenExchange: 5_000,
  /** A refused token of a membership site is not asked about again for this long. */
  refusalKept: 5_000,
  /** An opened provider key is forgotten after this long and opened again when it is needed. */
  openProviderKey: 300_000,
  /** A refused own key is told to its owner at most this often. */
  refusedKeyPause: 600_000,
  /** How often own keys are looked through for ones that are sealed to an older key of the broker. */
  resealCheck: 60_000,
  upstreamIdle: 60_000,
  tcpKeepAlive: 60_000,
  /** On SIGTERM: sockets are told to leave within this time, at random, so that they do not all come back at once. */
  drainJitter: 5_000,
  /** The same for few sockets: this much for each. */
  drainJitterPerSocket: 5,
  /** What a client gets to answer a close frame. */
  closeGrace: 2_000,
  /** What requests in flight get on SIGTERM. */
  drain: 20_000,
  /** How often connections that have become idle are closed while the process ends. */
  idleCheck: 100,
  bindRetry: 1_000,
  /** How often addresses of other hosts are tried: they may become this machine's. */
  followRetry: 2_000,
  /** What a power cut may lose of the usage journal. */
  journalSync: 100,
  journalRetry: 1_000,
  /** What the last reports of usage may take while the process ends. */
  lastReport: 3_000,
  chatPageCheck: 1_000,
} as const;
