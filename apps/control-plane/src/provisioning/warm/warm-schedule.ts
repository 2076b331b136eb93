import { type WarmPoolSettings, type WarmWindow, type Weekday, WEEKDAYS } from './warm-pool.settings.js';

interface LocalTime {
  readonly day: number;
  readonly minutes: number;
}

const MINUTES_OF_DAY = 24 * 60;

/** Weekday (0 is Monday) and minute of the day that clocks of the zone show. */
function localTime(at: Date, timeZone: string): LocalTime {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const day = WEEKDAYS.indexOf(parts.get('weekday')!.toLowerCase() as Weekday);
  return { day, minutes: Number(parts.get('hour')) * 60 + Number(parts.get('minute')) };
}

const minutesOf = (time: string): number => {
  const [hours, minutes] = time.split(':').map(Number);
  return hours! * 60 + minutes!;
};

const covers = (window: WarmWindow, { day, minutes }: LocalTime): boolean => {
  const from = minutesOf(window.from);
  const to = minutesOf(window.to);
  const on = (index: number): boolean => window.days.includes(WEEKDAYS[(index + 7) % 7]!);
  if (from < to) return on(day) && minutes >= from && minutes < to;
  // Over midnight: the hours after it belong to the day on which it began.
  return (on(day) && minutes >= from && minutes < MINUTES_OF_DAY) || (on(day - 1) && minutes < to);
};

/** How many of each kind are wanted on each host at that moment. */
export function sizeAt(settings: WarmPoolSettings, at: Date): number {
  if (settings.schedule.length === 0) return settings.size;
  const local = localTime(at, settings.timeZone);
  return settings.schedule.find((window) => covers(window, local))?.size ?? settings.size;
}
