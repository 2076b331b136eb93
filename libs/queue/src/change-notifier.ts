export type Unsubscribe = () => Promise<void>;

/**
 * Tells other processes that something changed. At most once: a notice may be lost, so whoever depends on it also polls.
 * A channel is a short kebab-case name; the payload is text of less than 7,900 bytes.
 */
export abstract class ChangeNotifier {
  /**
   * Resolves once the notice was handed over or given up (within two seconds). A store that is down is reported to
   * `onError` and never fails the caller, whose work is already committed. Throws NoticeTooLarge.
   */
  abstract publish(channel: string, payload?: string): Promise<void>;
  /**
   * Calls `handler` for each notice from now on, and `onGap` after a reconnect: notices may have been missed in between,
   * so read the state again. Resolves once notices arrive.
   */
  abstract subscribe(channel: string, handler: (payload: string) => void, onGap?: () => void): Promise<Unsubscribe>;
}
