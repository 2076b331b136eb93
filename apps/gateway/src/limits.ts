/** Every limit of the gateway that is not part of the public contract (those are CHAT_LIMITS). Milliseconds and bytes. */
export const LIMITS = {
  /** A running answer may take that long after SIGTERM; the rest stays pending. */
  drain: 20_000,
  /** The whole end after SIGTERM; then the process exits whatever happens. */
  exit: 24_000,
  /** A task that was begun that often and never finished (crashes) is failed instead of begun again. */
  attempts: 5,
  /** The whole of one answer. */
  task: 600_000,
  /** Deltas of one answer within this window become one frame; the first is never held back. */
  deltaWindow: 25,
  /** What a socket or event stream may leave unread before it is closed; it can resume. */
  unread: 4 * 1024 * 1024,
  /** The same of all sockets of one agent together, looked at once a socket has left this much unread. */
  unreadPerAgent: 16 * 1024 * 1024,
  unreadNoticed: 512 * 1024,
  /** Messages of one agent that have no answer yet. */
  openTasks: 2_000,
  /** After the end of an answer could not be stored (disk full) its agent tries again. */
  storeRetry: 15_000,
  /** `resume` sends on while less than this is unread, looks again after the pause, and reads that many frames at a time. */
  replayAhead: 1024 * 1024,
  replayPause: 10,
  replayPage: 100,
  /** An agent's database is closed when nothing used it for that long. */
  databaseIdle: 180_000,
  databaseSweep: 30_000,
  /** Files of an agent's folder are counted again at most that often; its database is looked at whenever it matters. */
  diskMeasure: 60_000,
  /** Demos (mode 0) that an agent holds in memory at most, and how long one may be quiet: as long as its limits count. */
  demos: 64,
  demoIdle: 3_600_000,
  /** Rows of decisions about tools that an agent keeps, newest kept. */
  decisionsKept: 10_000,
  /** Frames kept per session for `resume`, beyond which the history has to be loaded. */
  framesPerSession: 5_000,
  /** Messages that `GET /session/:id` shows, newest kept. */
  messagesShown: 500,
  sessionsShown: 200,
  /** Context of a model call besides the system prompt, in estimated tokens. */
  contextTokens: 12_000,
  contextMessages: 80,
  /** Longest titles, keys and ids, in characters. */
  title: 80,
  idempotencyKey: 128,
  /** A client may leave an answer that is complete untouched for that long before its connection is ended. */
  deliverWithin: 60_000,
  /** So long a gateway that agreed to sleep takes no new work, if nobody wakes it or puts it to sleep. */
  suspension: 30_000,
  /** A job that is due within this keeps the gateway awake. */
  jobAhead: 60_000,
  /** The event loop's delay is sampled that often while there is work and for a while after, and kept for a minute. */
  loopSample: 50,
  loopLinger: 5_000,
  loopKept: 60_000,
  /** A pause longer than this in which the process used no processor time was a freeze, not a delay. */
  frozen: 1_000,
  /** Comment lines that keep an idle event stream open. */
  eventStreamPing: 15_000,
  /** `draining` tells clients to come back after between one and this many milliseconds more. */
  reconnectSpread: 4_000,
  /** Until a request has arrived whole: clients, and the control plane with its archives. */
  requestWithin: 60_000,
  transferWithin: 600_000,
  configBody: 4 * 1024 * 1024,
  archive: { bytes: 2 * 1024 * 1024 * 1024, files: 50_000, pathLength: 512 },
} as const;
